"""
Feeds mutated pictures to real decoder children for a while, and counts how each ended.

    make fuzz                              ten minutes
    make fuzz ARGS="--seconds 60"          a minute
    make fuzz ARGS="--pictures FOLDER"     with files of yours besides the drawn ones
    make fuzz ARGS="--seed 7"              other mutations

What must hold: every file ends as renditions or as an error from the catalogue, within its deadline; no
drawn file that was cut off becomes renditions (others may have something behind their end); the children
still work at the end. A child that dies is no failure, but worth a report: the file that killed it is
kept in `fuzz-findings/`.
"""

import argparse
import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from tests.mutations import MUTATIONS
from tests.pictures import encode, jpeg, moving, photo, picture

from packshot.compress import Compressor
from packshot.errors import DecoderCrashed, DecodeTimeout, ImageError, PackshotError
from packshot.models import Encoding, Preset
from packshot.settings import cores, load_settings

FINDINGS: Final = Path("fuzz-findings")
PRESETS: Final = (Preset("small", 64, (Encoding("jpeg", 80, 0), Encoding("webp", 80, 0)), animated=True),)
DECODE_SECONDS: Final = 10
MARGIN_SECONDS: Final = 5
REPORT_SECONDS: Final = 30


def drawn() -> dict[str, bytes]:
    """Return a small file of every kind that is taken."""
    grey = photo().colourspace("b-w")
    return {
        "jpeg": encode(photo(), "jpeg"),
        "progressive jpeg": encode(photo(), "jpeg", interlace=True),
        "cmyk jpeg": encode(photo().colourspace("cmyk"), "jpeg"),
        "grey jpeg": encode(grey, "jpeg"),
        "png": encode(picture(), "png"),
        "interlaced png": encode(picture(), "png", interlace=True),
        "palette png": encode(picture(), "png", palette=True),
        "16 bit png": encode((photo().cast("ushort") * 257).copy(interpretation="rgb16"), "png"),
        "webp": encode(photo(), "webp"),
        "lossless webp": encode(photo(), "webp", lossless=True),
        "animated webp": moving("webp"),
        "gif": encode(photo(), "gif"),
        "animated gif": moving("gif"),
        "avif": encode(photo(), "avif"),
        "transparent avif": encode(photo().bandjoin(128), "avif"),
        "lossless avif": encode(photo(), "avif", lossless=True),
    }


@dataclass
class Fuzz:
    """One run: what is mutated, and how it ended so far."""

    corpus: dict[str, bytes]
    seed: int
    folder: Path
    ended: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._must_fail = {f"cut {name}" for name in drawn()}

    async def run(self, seconds: float) -> None:
        """Feed all children until the time is over, and check that they still work."""
        settings = load_settings(workers=cores(), decode_seconds=DECODE_SECONDS, max_pixels=4_000_000)
        async with Compressor(settings, PRESETS) as compressor:
            over = monotonic() + seconds
            feeders = [self._feed(compressor, number, over) for number in range(cores() + 1)]
            await asyncio.gather(*feeders, self._report(over))
            (self.folder / "source").write_bytes(jpeg())
            await compressor.compress(self.folder / "source", self.folder)

    async def _feed(self, compressor: Compressor, number: int, over: float) -> None:
        chance = Random(f"{self.seed}-{number}")  # noqa: S311 - must be repeatable
        folder = self.folder / str(number)
        folder.mkdir()
        while monotonic() < over:
            name = chance.choice(list(self.corpus))
            mutation = chance.choice(list(MUTATIONS))
            data = MUTATIONS[mutation](self.corpus[name], chance)
            await self._try(compressor, data, folder, f"{mutation} {name}")

    async def _try(self, compressor: Compressor, data: bytes, folder: Path, what: str) -> None:
        (folder / "source").write_bytes(data)
        started = monotonic()
        end = await _end(compressor, folder)
        self.ended[end] += 1
        if end in (DecoderCrashed.code, DecodeTimeout.code):
            _keep(data, f"{end} {what}")
        if end.startswith("not an outcome") or (end == "ready" and what in self._must_fail):
            self.failures.append(f"{what}: {end}, see {_keep(data, what)}")
        # one more child than there are feeders may stand before us in the queue
        if monotonic() - started > 2 * DECODE_SECONDS + MARGIN_SECONDS:
            self.failures.append(f"{what}: took {monotonic() - started:.0f} s")

    async def _report(self, over: float) -> None:
        while (left := over - monotonic()) > 0:
            await asyncio.sleep(min(left, REPORT_SECONDS))
            print(f"{self.ended.total():9,} files, {max(0, over - monotonic()):4.0f} s left", flush=True)


async def _end(compressor: Compressor, folder: Path) -> str:
    """Say how the file in the folder ends."""
    try:
        await compressor.compress(folder / "source", folder)
    except ImageError as error:
        return error.code
    except PackshotError as error:
        return f"not an outcome: {error!r}"
    return "ready"


def _keep(data: bytes, why: str) -> Path:
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"{why.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def main(arguments: Sequence[str]) -> int:
    """Run, print the table, and return 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="a folder of files to mutate besides the drawn ones")
    options = parser.parse_args(arguments)
    corpus = drawn()
    if options.pictures:
        corpus |= {path.name: path.read_bytes() for path in options.pictures.iterdir() if path.is_file()}
    with TemporaryDirectory(prefix="packshot-fuzz-") as folder:
        fuzz = Fuzz({name: data for name, data in corpus.items() if data}, options.seed, Path(folder))
        asyncio.run(fuzz.run(options.seconds))
    for end, count in fuzz.ended.most_common():
        print(f"{count:9,} {end}")
    for failure in fuzz.failures:
        print(failure, file=sys.stderr)
    return 1 if fuzz.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
