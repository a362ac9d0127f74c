"""The command line from outside: processes, signals, exit codes, and what is said when something is wrong."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.console import packshot, running, wait_for_line

from packshot import __version__
from packshot.cli import main

HEAVY = ("aiohttp", "asyncpg", "fastapi", "pydantic", "pyvips", "structlog", "uvicorn")

pytestmark = pytest.mark.usefixtures("anyio_backend")  # a test that is not async has async fixtures too


def test_help_needs_nothing_heavy() -> None:
    code = f"import packshot.cli, sys; print([name for name in {HEAVY} if name in sys.modules])"

    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)  # noqa: S603 - the line above

    assert loaded.strip() == "[]"


def test_help_names_the_commands(tmp_path: Path) -> None:
    ended = packshot("--help", cwd=tmp_path)

    assert ended.code == 0
    for command in (
        "serve",
        "api",
        "work",
        "migrate",
        "users",
        "submit",
        "status",
        "retry",
        "explain",
        "demo",
    ):
        assert f" {command} " in ended.out


@pytest.mark.parametrize("command", [(), ("submit",), ("keys", "list")])
def test_help_shows_no_flag_as_if_it_took_a_value(tmp_path: Path, command: tuple[str, ...]) -> None:
    shown = packshot(*command, "--help", cwd=tmp_path).out

    assert "--help" in shown
    assert "<bool>" not in shown


def test_the_version_is_told_without_settings_or_a_database(tmp_path: Path) -> None:
    ended = packshot("--version", cwd=tmp_path, port="wrong")

    assert (ended.code, ended.out, ended.err) == (0, f"packshot {__version__}\n", "")


def test_a_code_is_explained_without_settings_or_a_database(tmp_path: Path) -> None:
    ended = packshot("explain", "source_gone", cwd=tmp_path, port="wrong")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("source_gone\n  There is nothing at that URL")
    assert not list(tmp_path.iterdir())


def test_every_wrong_setting_is_named_in_one_message(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PACKSHOT_BROKER=memory:\n")

    ended = packshot("serve", cwd=tmp_path, prot=8080, port="http", workers=0, log_level="loud")

    assert (ended.code, ended.out) == (2, "")
    for name in ("BROKER", "PROT", "PORT", "WORKERS", "LOG_LEVEL"):
        assert f"  PACKSHOT_{name} is " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("command", "setting"), [("serve", "PACKSHOT_PORT"), ("work", "PACKSHOT_METRICS_PORT")]
)
@pytest.mark.usefixtures("logging_as_before")
def test_a_port_that_is_taken_is_named_with_its_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    setting: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PACKSHOT_DATA_DIR", str(tmp_path))
        monkeypatch.setenv(setting, str(port))

        assert exit_code_of(command, monkeypatch) == 2

    message = capsys.readouterr().err
    assert message.startswith(f"Cannot listen on 127.0.0.1 port {port}")
    assert message.endswith(f"Set PACKSHOT_HOST or {setting}.\n")


@pytest.mark.usefixtures("logging_as_before")
def test_every_mistake_in_a_presets_file_is_named(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "presets.toml"
    file.write_text("[large]\npixels = 0\nbmp = {}\n")
    monkeypatch.setenv("PACKSHOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", database_url)
    monkeypatch.setenv("PACKSHOT_PRESETS_FILE", str(file))

    assert exit_code_of("work", monkeypatch) == 2

    message = capsys.readouterr().err
    assert message.startswith(f"The presets file {file} is wrong:")
    assert "[large] pixels" in message
    assert "[large] bmp" in message


def exit_code_of(command: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a command inside this process, which is quicker."""
    monkeypatch.setattr(sys, "argv", ["packshot", command])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_api_says_where_it_listens_and_ends_on_ctrl_c(tmp_path: Path, database_url: str) -> None:
    with running("api", cwd=tmp_path, database_url=database_url, port=0) as process:
        wait_for_line(process, r"http://127\.0\.0\.1:\d+")
        wait_for_line(process, str(tmp_path / "data"))
        wait_for_line(process, "Ctrl-C")

        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 0


def test_a_status_that_is_watched_ends_on_ctrl_c(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    with running("status", "--watch", cwd=tmp_path, database_url=database_url) as process:
        wait_for_line(process, "pending")

        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_terminated_leaves_no_database_running(tmp_path: Path, number: int) -> None:
    with running("submit", "http://shop.example/shoe.jpg", cwd=tmp_path) as process:
        pid_file = tmp_path / "data" / "postgres" / "cluster" / "postmaster.pid"
        while not list((tmp_path / "data").glob("work/*/lock")):
            assert process.poll() is None

        process.send_signal(number)
        process.wait(30)

    assert not pid_file.exists()


def test_a_reader_that_has_enough_is_not_worth_a_word(tmp_path: Path, database_url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    ended = packshot("users", "list", "--json", cwd=tmp_path, stdout=writing, database_url=database_url)

    os.close(writing)
    assert ended.err == ""


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("command", ["serve", "api"])
def test_without_any_key_no_other_machine_is_served(
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.setenv("PACKSHOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", database_url)
    monkeypatch.setenv("PACKSHOT_HOST", "0.0.0.0")  # noqa: S104 - it is refused
    monkeypatch.setenv("PACKSHOT_PORT", "0")

    assert exit_code_of(command, monkeypatch) == 2

    message = capsys.readouterr().err
    assert "whoever reaches 0.0.0.0 could do all" in message
    assert "packshot keys create NAME --scope admin" in message
