"""What the doctor finds, in what is well and in what is not; and that looking makes nothing."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers.rabbitmq import RabbitMQ
from tests.console import Packshot, packshot
from tests.rows import an_image

from packshot import doctor
from packshot.database import Database
from packshot.doctor import examine, machine, services, work
from packshot.doctor.findings import Finding, Patient
from packshot.doctor.patients import admitted
from packshot.images import Images
from packshot.keys import Keys, Scope
from packshot.settings import Settings, load_settings

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load_settings(data_dir=tmp_path, database_url=database_url)


@pytest.fixture
def patient(settings: Settings, database: Database) -> Patient:
    return Patient(settings, database)


@pytest.fixture
def control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "CONTROL_GROUP", tmp_path)
    return tmp_path


def told(patient: Patient, **settings: object) -> Patient:
    """The same with other settings."""
    return replace(patient, settings=patient.settings.model_copy(update=settings))


async def test_a_healthy_house_has_no_findings_worth_a_word(settings: Settings) -> None:
    findings = await examine(settings)

    assert {name: one for name, one in findings.items() if one.verdict == "broken"} == {}
    assert findings["database"].found.startswith("PostgreSQL 18")
    assert findings["decoder"].found.startswith("libvips 8.")


def test_in_an_empty_folder_all_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    ended = packshot("doctor", "--json", cwd=tmp_path)

    assert ended.code == 0, ended.out
    assert set(ended.json()) == set(doctor.CHECKS)
    assert ended.json()["database"] == {
        "verdict": "ok",
        "found": "none yet: the first start makes it",
        "advice": "",
    }
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["status", "gc"])
def test_a_command_that_asks_about_what_is_there_makes_no_database(command: str, tmp_path: Path) -> None:
    ended = packshot(*command.split(), cwd=tmp_path)

    assert ended.code == 2
    assert ended.err.startswith(f"There is no Packshot in {tmp_path}/data yet: ")
    assert not list(tmp_path.iterdir())


async def test_what_is_broken_is_the_exit_code_and_comes_with_advice(
    packshot: Packshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_BROKER_URL", f"amqp://{NOWHERE}/")

    ended = await packshot("doctor")

    assert ended.code == 1
    assert "broken   broker" in ended.out
    assert "→ Work goes on without it." in ended.out


async def test_a_database_that_is_away_is_said_and_the_other_checks_are_heard(settings: Settings) -> None:
    findings = await examine(settings.model_copy(update={"database_url": f"postgresql://{NOWHERE}/packshot"}))

    assert findings["database"].verdict == "broken"
    assert "PACKSHOT_DATABASE_URL" in findings["database"].advice
    for part in ("schema", "clock", "access", "workers", "queue"):
        assert findings[part] == Finding("warning", "cannot be told without the database")
    assert findings["presets"] == Finding("ok", "large, medium, thumb, from the program")


async def test_a_check_that_fails_itself_silences_no_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: Patient) -> Finding:
        raise ZeroDivisionError

    monkeypatch.setattr(doctor, "CHECKS", {"new": fails, "presets": machine.check_presets})

    findings = await examine(settings)

    assert findings["new"] == Finding("broken", "the check itself failed: ZeroDivisionError()")
    assert findings["presets"].verdict == "ok"


async def test_a_schema_that_is_behind_is_said_and_left_as_it_is(doomed: Database, empty_url: str) -> None:
    await doomed.execute("DELETE FROM schema_migrations WHERE version = 2")

    async with admitted(load_settings(database_url=empty_url)) as patient:
        finding = await services.check_schema(patient)

    assert finding.verdict == "warning"
    assert "packshot migrate" in finding.advice
    assert await doomed.fetch("SELECT FROM schema_migrations WHERE version = 2") == []


async def test_a_schema_of_a_newer_program_is_said(doomed: Database, empty_url: str) -> None:
    await doomed.execute("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')")

    async with admitted(load_settings(database_url=empty_url)) as patient:
        assert (await services.check_schema(patient)).found == "made by a newer Packshot"


async def test_a_clock_that_is_wrong_is_said(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CLOCKS_APART_SECONDS", -1)

    assert (await services.check_clock(patient)).verdict == "warning"


@pytest.mark.parametrize(
    ("scheme", "found"),
    [
        ("amqp", f"RabbitMQ at {NOWHERE}, vhost /, queue packshot.images: connection refused"),
        ("kafka", f"Kafka at {NOWHERE}, topic packshot.images: no server answers there"),
    ],
)
async def test_a_broker_that_is_away_is_broken_and_no_reason_to_stop(
    scheme: str, found: str, patient: Patient
) -> None:
    finding = await services.check_broker(told(patient, broker_url=f"{scheme}://{NOWHERE}/"))

    assert (finding.verdict, finding.found) == ("broken", found)
    assert "Work goes on" in finding.advice


async def test_a_broker_that_does_not_let_us_in_is_broken_and_no_password_is_shown(
    patient: Patient, rabbitmq: RabbitMQ
) -> None:
    url = urlsplit(rabbitmq.url)._replace(netloc=f"ada:hunter2hunter2@127.0.0.1:{rabbitmq.port}").geturl()

    finding = await services.check_broker(told(patient, broker_url=url))

    assert (finding.verdict, "ACCESS_REFUSED" in finding.found) == ("broken", True)
    assert "hunter2" not in finding.found
    assert "Error" not in finding.found


async def test_a_broker_that_takes_messages_is_well(patient: Patient, rabbitmq: RabbitMQ) -> None:
    finding = await services.check_broker(told(patient, broker_url=rabbitmq.url))

    assert finding.verdict == "ok", finding


async def test_a_store_takes_gives_and_deletes_a_file(patient: Patient, tmp_path: Path) -> None:
    assert (await services.check_store(patient)).verdict == "ok"
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_a_store_that_cannot_be_written_is_broken(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")

    assert (await services.check_store(patient)).verdict == "broken"


async def test_a_cache_that_is_away_is_broken_and_says_why_without_its_password(patient: Patient) -> None:
    finding = await services.check_cache(told(patient, cache_url=f"redis://:hunter2hunter2@{NOWHERE}"))

    assert (finding.verdict, finding.found) == ("broken", f"Redis at {NOWHERE}: connection refused")


async def test_a_data_folder_that_cannot_be_written_names_who_would_write(
    patient: Patient, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")

    finding = await machine.check_data_folder(told(patient, data_dir=tmp_path / "file"))

    assert finding.verdict == "broken"
    assert f"user {os.geteuid()}" in finding.advice


async def test_a_data_folder_that_others_may_write_to_is_said(patient: Patient, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    assert (await machine.check_data_folder(patient)).advice == f"chmod go-w {tmp_path}"


async def test_cores_that_a_container_may_not_use_are_said(patient: Patient, control_group: Path) -> None:
    (control_group / "cpu.max").write_text("50000 100000\n")

    finding = await machine.check_cores(patient)

    assert "may use 0.5" in finding.found
    assert "PACKSHOT_WORKERS=2" in finding.advice


async def test_memory_that_decoder_children_may_not_have_is_said(
    patient: Patient, control_group: Path
) -> None:
    (control_group / "memory.max").write_text("100000000\n")

    assert (await machine.check_memory(patient)).found.startswith("0.1 GB for ")


async def test_an_address_that_nobody_will_listen_on_for_want_of_a_key_is_broken(patient: Patient) -> None:
    assert (await work.check_access(patient)).verdict == "ok"
    assert "keys create" in (await work.check_access(told(patient, host="0.0.0.0"))).advice  # noqa: S104 - said only


@pytest.mark.parametrize(("days", "verdict"), [((6, None), "ok"), ((1, 30), "ok"), ((1, 6), "warning")])
async def test_the_end_of_the_last_key_is_told_a_week_before(
    patient: Patient, database: Database, days: Sequence[int | None], verdict: str
) -> None:
    for some in days:
        await Keys(database).create("Shop", Scope.ADMIN, expires_in_seconds=some and some * 86_400.0)

    assert (await work.check_access(patient)).verdict == verdict


async def test_the_end_of_every_key_is_broken(patient: Patient, database: Database) -> None:
    secret, _ = await Keys(database).create("Shop", Scope.ADMIN)
    await Keys(database).revoke(secret)

    finding = await work.check_access(patient)

    assert (finding.verdict, "keys create" in finding.advice) == ("broken", True)


async def test_no_worker_is_worth_a_look(patient: Patient) -> None:
    assert (await work.check_workers(patient)).found == "none is running"


async def test_an_image_that_has_waited_long_is_worth_a_look(
    patient: Patient, images: Images, database: Database
) -> None:
    await an_image(images)
    await database.execute("UPDATE images SET due_at = now() - interval '10 minutes'")

    assert (await work.check_queue(patient)).found == "the oldest due image waits 10 minutes"
