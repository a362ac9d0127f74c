"""Breaks things and prints the table. Exit code 1 if a promise was not kept, 2 if a server is missing."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from servers import ServerMissing

from chaos.acts import Options, Outcome, play
from chaos.faults import ACTS, FAULTS, Fault
from chaos.report import failures, table
from chaos.system import require_broker


def main() -> int:
    """Play what the command line asks for, and report."""
    arguments = _parser().parse_args()
    faults = [fault for fault in FAULTS if _is_wanted(fault, arguments)]
    options = Options(lambda fault: _times(fault, arguments), arguments.seed, arguments.logs)
    try:
        outcomes = asyncio.run(_play(faults, options))
    except ServerMissing as missing:
        print(missing, file=sys.stderr)
        return 2
    report = table(outcomes)
    print(report)
    if arguments.markdown:
        arguments.markdown.write_text(report + "\n")
    missed = failures(outcomes)
    print("\n".join(missed), file=sys.stderr)
    return int(bool(missed))


async def _play(faults: Sequence[Fault], options: Options) -> list[Outcome]:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # what runs is cleaned up then
    acts = dict.fromkeys(fault.act for fault in faults)
    for act in acts:
        require_broker(act)
    return [await play(act, [fault for fault in faults if fault.act == act], options) for act in acts]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description="Break Packshot, and check the books."
    )
    parser.add_argument("--short", action="store_true", help="a few faults of each kind, three minutes")
    parser.add_argument("--act", choices=ACTS, help="one broker only")
    parser.add_argument("--only", metavar="FAULT", help="faults whose name contains this")
    parser.add_argument("--times", type=int, metavar="N", help="each fault so often at most")
    parser.add_argument("--seed", type=int, default=1, help="what the dice begin with")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the logs of the processes there")
    return parser


def _is_wanted(fault: Fault, arguments: argparse.Namespace) -> bool:
    return arguments.act in (None, fault.act) and (arguments.only or "") in fault.name


def _times(fault: Fault, arguments: argparse.Namespace) -> int:
    times = fault.times_in_short if arguments.short else fault.times
    return times if arguments.times is None else min(times, arguments.times)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Interrupted; nothing is left behind.")
