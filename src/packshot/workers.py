"""
Who works: one row and one folder per process.

The folder holds the files of work in hand and a lock that the kernel frees when the process ends,
however it ends. So a neighbour on the same machine is known to be dead at once, without guessing
from process numbers; a worker on another machine is missed when its heartbeat stops.
"""

import fcntl
import os
import shutil
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import IO, Final
from uuid import UUID, uuid4

from packshot.database import Database
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.models import Worker
from packshot.slots import Slots

LOCK_NAME: Final = "lock"
DESKS: Final = "????????-????-????-????-????????????"  # other files in there are none of our business

HEARTBEAT: Final = """
    INSERT INTO workers (worker_id, host, pid, slots, counts) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (worker_id) DO UPDATE SET last_seen = now(), counts = excluded.counts"""

FORGET: Final = """
    DELETE FROM workers
     WHERE worker_id = ANY($1) OR last_seen < now() - interval '1 day'"""


class Workers:
    """The rows of workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heartbeat(self, worker: Worker, counts: Mapping[str, int]) -> None:
        """Say that we are alive, and how often what has happened to us."""
        await self._database.execute(HEARTBEAT, *astuple(worker), dict(counts))

    async def forget(self, worker_ids: Collection[UUID]) -> None:
        """Remove workers that are gone, and those that nobody has seen for a day."""
        await self._database.execute(FORGET, worker_ids)


class Desk:
    """A worker's own folder under `root`; beside it lie its neighbours'.

    `slots` bound what is worked on at once; `counts` says how often something happened that should not.
    """

    def __init__(self, root: Path, worker: Worker) -> None:
        self.worker = worker
        self.slots = Slots(worker.slots)
        self.counts: Counter[str] = Counter()
        self._in_hand: Counter[int] = Counter()
        self._root = root
        self._folder = root / str(worker.worker_id)

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path, slots: int) -> Iterator["Desk"]:
        """Make and lock a folder for this process; raise ConfigError if that cannot be."""
        desk = cls(data_dir.absolute() / "work", Worker(uuid4(), socket.gethostname(), os.getpid(), slots))
        try:
            lock = desk._make_folder()
        except OSError as error:
            raise ConfigError(f"PACKSHOT_DATA_DIR cannot be used: {error}") from error
        with lock:
            try:
                yield desk
            finally:
                shutil.rmtree(desk._folder, ignore_errors=True)

    def _make_folder(self) -> IO[str]:
        unlocked = self._root / f"new-{self.worker.worker_id}"
        unlocked.mkdir(parents=True)
        lock = (unlocked / LOCK_NAME).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(self._folder)  # under its name a folder is never seen without its lock
        return lock

    @contextmanager
    def job_folder(self, image_id: int, attempt: int) -> Iterator[Path]:
        """Make a folder for one attempt at one image, and remove it with everything in it.

        Raises ServiceUnavailable if our own disk does not let us.
        """
        folder = self._folder / f"{image_id}-{attempt}"
        try:
            folder.mkdir()
        except OSError as error:
            raise ServiceUnavailable(f"The data folder cannot be used: {error}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def in_hand(self) -> Collection[int]:
        """The images on the desk."""
        return self._in_hand.keys()

    def take(self, image_id: int) -> None:
        """Put an image on the desk; two hints about one may be there at once."""
        self._in_hand[image_id] += 1

    def let_go(self, image_id: int) -> None:
        """Take it off again."""
        self._in_hand -= Counter((image_id,))

    def count(self, name: str) -> None:
        """Add one to what is counted under that name."""
        self.counts[name] += 1

    def free_bytes(self) -> int:
        """Return how much room is left on the disk that the desks are on."""
        return shutil.disk_usage(self._root).free

    def dead_neighbours(self) -> list[UUID]:
        """Return the workers whose folder is left and whose lock is free."""
        desks = self._root.glob(DESKS)
        return [UUID(desk.name) for desk in desks if not _is_locked(desk / LOCK_NAME)]

    def clear(self, worker_ids: Collection[UUID]) -> None:
        """Remove the folders of dead neighbours."""
        for worker_id in worker_ids:
            shutil.rmtree(self._root / str(worker_id), ignore_errors=True)


def _is_locked(file: Path) -> bool:
    try:
        with file.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # its owner is just removing it
        return False
    return False
