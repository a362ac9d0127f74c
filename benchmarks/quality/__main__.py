"""Runs the contest, prints the tables, draws the chart. Exit code 1 if a requirement is missed."""

import argparse
import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import PIL
import pyvips

from benchmarks.quality import automatic, chart, contest, crops, report
from benchmarks.quality.contestants import contestants
from benchmarks.quality.sharp import Sharp
from benchmarks.supplier import drawn, pictures
from benchmarks.system import scratch
from packshot.child import ENVIRONMENT

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs/quality.md"
# The drawn pictures are SVG, which a child must not open.
CHILD: Final = {name: value for name, value in ENVIRONMENT.items() if name != "VIPS_BLOCK_UNTRUSTED"}
SHARP: Final = ROOT / ".venv/.sharp"  # `make bench-quality` puts it there


def main() -> int:
    """Measure, and show what came out."""
    arguments = _arguments()
    pyvips.cache_set_max(0)  # else libvips would remember its pictures, and the next round cost nothing
    folder = ROOT / "docs/images" if arguments.docs else arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    with scratch() as space:
        files = [file for file in asyncio.run(pictures(space)) if contest.is_opaque(file)]
        to_look_at = sorted(asyncio.run(drawn(space)).iterdir()) if arguments.docs else files
        cropped = crops.write(to_look_at, arguments.pixels, folder)
        with Sharp.open(SHARP) as sharp:
            entries = contest.hold(files, contestants(arguments.pixels, sharp), arguments.rounds)
            conditions = report.Conditions(len(files), arguments.pixels, arguments.rounds, _programs(sharp))
        found = automatic.measure(files, arguments.rounds, shutil.which(arguments.second_opinion))
    (folder / "quality.svg").write_text(chart.draw(entries, conditions.subject))
    _publish(report.document(conditions, entries, found, cropped), folder, into_docs=arguments.docs)
    return int(any(result.is_missed for result in report.matched(entries)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="Compare pictures.")
    parser.add_argument("--pixels", type=int, default=800, help="the longer side of what is made; 800")
    parser.add_argument("--rounds", type=int, default=3, help="how often time is taken; 3")
    parser.add_argument(
        "--out", type=Path, default=Path("quality-report"), help="folder for chart and pictures"
    )
    parser.add_argument("--docs", action="store_true", help="write into docs/ instead")
    parser.add_argument(
        "--second-opinion", default="ssimulacra2_rs", metavar="PROGRAM", help="another SSIMULACRA2, if there"
    )
    return parser.parse_args()


def _programs(sharp: Sharp | None) -> str:
    libvips = ".".join(str(pyvips.version(place)) for place in range(3))
    return f"libvips {libvips}, Pillow {PIL.__version__}, {sharp.version if sharp else 'sharp: no Node here'}"


def _publish(text: str, folder: Path, *, into_docs: bool) -> None:
    print(text)
    print(f"\nThe chart and pictures to look at are in {folder}", file=sys.stderr)
    if into_docs:
        DOCUMENT.write_text(report.inserted(DOCUMENT.read_text("utf-8"), text), "utf-8")


def _begin_again() -> None:
    """Take on the environment of a decoder child, which libvips, numpy and glibc read at their start only."""
    if not CHILD.items() <= os.environ.items():
        command = (sys.executable, "-m", "benchmarks.quality", *sys.argv[1:])
        os.execve(sys.executable, command, {**os.environ, **CHILD})  # noqa: S606 - ourselves


if __name__ == "__main__":
    _begin_again()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted; nothing is left behind.")
