#!/bin/sh
# Fetches what servers/ runs: RabbitMQ, Redis, Prometheus, Chromium and Java for the machine, Kafka's jars into .venv.
# Root on Debian gets them installed, everybody else is told what to install. It never fails, because only the tests know what a
# missing server means; without the stamp that it leaves when all is there, make asks again next time.
set -u

log=.venv/servers.log

has() {
    command -v "$1" >/dev/null || [ -x "/usr/lib/rabbitmq/bin/$1" ]
}

missing_packages() {
    has rabbitmq-server && has epmd || printf ' rabbitmq-server'
    has redis-server || printf ' redis-server'
    has prometheus && has promtool || printf ' prometheus'
    has java || printf ' default-jre-headless'
    has mvn || printf ' maven'
    has chromium || has chromium-browser || has google-chrome || printf ' chromium'
}

# Debian starts what it installs and starts it again at each boot. Our servers are started by those who need them.
without_services() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 1' INT TERM
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
    fi
    "$@" || return
    for package; do # one that was here before is somebody else's
        case " $packages " in *" $package "*) ;; *) continue ;; esac
        case $package in *-server | prometheus) systemctl disable --quiet "$package" 2>/dev/null ;; esac
    done
    return 0
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"
}

copy_jars() {
    rm -rf .venv/kafka.new
    mvn -q -B -C -f servers/kafka-pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/.venv/kafka.new" &&
        rm -rf .venv/kafka && mv .venv/kafka.new .venv/kafka
}

: >$log
packages=$(missing_packages)
if [ -n "$packages" ]; then
    if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
        echo "Some tests need servers that are not here. On Debian and Ubuntu: sudo apt-get install$packages" >&2
        exit 0
    fi
    echo "Installing$packages, with which tests run real servers; this takes a minute"
    # shellcheck disable=SC2086 # several words
    if ! without_services apt_install $packages >>$log 2>&1; then
        echo "Could not install$packages; $log says why. Going on without" >&2
        exit 0
    fi
fi
echo "Fetching Kafka into .venv/kafka"
if ! copy_jars >>$log 2>&1; then
    echo "Could not fetch Kafka; $log says why. Going on without" >&2
    exit 0
fi
touch .venv/.servers-ready
