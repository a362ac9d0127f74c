"""Runs the benchmarks and prints the table. Exit code 1 if a requirement is missed."""

import argparse
import asyncio
import os
import platform
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import psutil
import uvloop
from rich.console import Console
from rich.table import Table
from servers import ServerMissing

from benchmarks.results import Result
from packshot import __version__
from packshot.settings import cores

MODULES: Final = (
    "throughput",
    "brokers",
    "dispatch",
    "fairness",
    "fortress",
    "post_products",
    "batch",
    "cache",
    "operating",
    "claims",
    "console",
    "latency",
    "storage",
    "memory",
    "start",
)
HEADINGS: Final = ("question", "figure", "required", "met", "how it came about")


def main() -> int:
    """Measure what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Packshot.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"some of: {', '.join(MODULES)}")
    parser.add_argument("--markdown", action="store_true", help="print what docs/performance.md shows")
    arguments = parser.parse_args()
    wanted = arguments.modules or MODULES
    if unknown := set(wanted) - set(MODULES):
        parser.error(f"there is no {' and no '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    for name in [name for name in os.environ if name.startswith("PACKSHOT_")]:
        del os.environ[name]  # Packshot as delivered, whatever is set here
    machine = _machine(psutil.cpu_times_percent(interval=1).idle)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(_measure(wanted))
    (_print_markdown if arguments.markdown else _print_table)(machine, results)
    return int(any(result.is_missed for found in results.values() for result in found))


async def _measure(names: Sequence[str]) -> dict[str, list[Result]]:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # what runs is cleaned up then
    results = {}
    for name in names:
        print(f"{name} …", file=sys.stderr)
        results[name] = await import_module(f"benchmarks.{name}").measure()
        for result in results[name]:
            print("  " + " · ".join(result.cells()), file=sys.stderr)
    return results


def _print_table(machine: str, results: dict[str, list[Result]]) -> None:
    table = Table(*HEADINGS, title=machine, title_justify="left")
    for result in (result for found in results.values() for result in found):
        table.add_row(*result.cells(), style="red" if result.is_missed else "")
    Console().print(table)


def _print_markdown(machine: str, results: dict[str, list[Result]]) -> None:
    print(f"{machine}.\n\n| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for result in (result for found in results.values() for result in found):
        print(f"| {' | '.join(result.cells())} |")
    for name in results:
        print(f"\n## {name}\n\n{(import_module(f'benchmarks.{name}').__doc__ or '').strip()}")


def _machine(idle: float) -> str:
    system = f"{platform.system()} {platform.machine()}, {cores()} cores"
    return f"Packshot {__version__}, Python {platform.python_version()}, {system}, {idle:.0f} % idle before"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerMissing as missing:
        sys.exit(str(missing))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Interrupted; nothing is left behind.")
