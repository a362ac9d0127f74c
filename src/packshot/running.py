"""Runs one command of the command line: its settings, its log, its event loop, its exit code."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from threading import current_thread, main_thread
from typing import Any, Concatenate, ParamSpec

import typer

P = ParamSpec("P")


def run_command(
    command: Callable[Concatenate[Any, P], Coroutine[Any, Any, int | None]], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Read the settings and run a command with them; end with its exit code."""
    import uvloop  # noqa: PLC0415 - heavy

    from packshot.settings import load_settings, secrets_in  # noqa: PLC0415 - heavy
    from packshot.telemetry import start_logging  # noqa: PLC0415 - heavy

    settings = load_settings()
    start_logging(settings.log_level, settings.log_format, secrets_in(settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_ending_well(command(settings, *args, **kwargs)))
    if code:
        raise typer.Exit(code)


async def _ending_well(command: Coroutine[Any, Any, int | None]) -> int | None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: what it has opened is closed."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are a coroutine
    if current_thread() is main_thread():  # no other has signals; asyncio.Runner asks the same for Ctrl-C
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await command
