#!/bin/sh
# Makes .venv with uv in it and our sources on its path. Takes the first Python that is new enough;
# what Debian leaves out of its own (ensurepip) is fetched by root, and named to everybody else.
set -eu

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "Packshot needs Python 3.11 or newer, and there is none on PATH." >&2
    echo "Install one (Debian 12: apt-get install python3), or name it: make run PYTHON=/path/to/python3" >&2
    exit 1
}

python=$(find_python)
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "$python cannot make environments. On Debian and Ubuntu: sudo apt-get install $package" >&2
        exit 1
    fi
    echo "Installing $package, without which $python cannot make environments"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >/dev/null
fi

echo "Making .venv with $("$python" --version); the first time this takes half a minute"
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --require-hashes -r requirements/uv.txt

# Relative paths, so that a folder with spaces may hold it, and may be moved.
for site_packages in .venv/lib/python3*/site-packages; do
    echo ../../../../src >"$site_packages/packshot.pth"
done
cat >.venv/bin/packshot <<'SCRIPT'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -m packshot "$@"
SCRIPT
chmod +x .venv/bin/packshot
