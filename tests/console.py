"""`packshot` as a person types it: a process of its own with its settings in the environment, or a thread."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import Any, Final

from packshot.cli import main

COMMAND: Final = (sys.executable, "-m", "packshot")
SOURCES: Final = str(Path(__file__).parents[1] / "src")
DEADLINE_SECONDS: Final = 60


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int | str | None
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The document that it printed."""
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


Packshot = Callable[..., Coroutine[None, None, Ended]]


def packshot(*arguments: str, cwd: Path, stdout: int = PIPE, **settings: object) -> Ended:
    """Run a command to its end; `port=0` becomes PACKSHOT_PORT."""
    with _start(arguments, cwd, settings, stdout=stdout, stderr=PIPE) as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return Ended(process.returncode, out, err)


@contextmanager
def running(*arguments: str, cwd: Path, **settings: object) -> Iterator["Popen[str]"]:
    """Run a command for the block, then interrupt it as Ctrl-C does, if it still runs."""
    with _start(arguments, cwd, settings, stdout=PIPE, stderr=None) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=DEADLINE_SECONDS)


def wait_for_line(process: "Popen[str]", pattern: str) -> str:
    """Read what the process prints until a line matches, and return the match."""
    assert process.stdout
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found[0]
    raise AssertionError(f"it ended with {process.wait()} and never printed {pattern}")


async def exit_code_in_thread() -> int | str | None:
    """Run what sys.argv says, quickly and beside the test; a thread that hangs is not waited for."""
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            main()
        except BaseException as error:  # noqa: BLE001 - SystemExit most of all
            outcome.set_exception(error)

    Thread(target=work, daemon=True).start()
    try:
        await asyncio.wrap_future(outcome)
    except SystemExit as ended:
        return ended.code
    raise AssertionError("every command ends with an exit code")


def _start(
    arguments: tuple[str, ...], cwd: Path, settings: Mapping[str, object], *, stdout: int, stderr: int | None
) -> "Popen[str]":
    wanted = {f"PACKSHOT_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": SOURCES, "COLUMNS": "160", **wanted}
    return Popen(  # noqa: S603 - our own program
        (*COMMAND, *arguments),
        cwd=cwd,
        env=environment,
        stdin=DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )
