"""
The decoder child: the only place where foreign bytes meet libvips.

    python -m packshot.decoder         one JSON line in, one JSON line out, until stdin ends

`compress.py` starts it, gives it a deadline, and kills it when in doubt; it limits its own memory,
processor time and file sizes. A source is decoded once: the largest rendition is made from the file,
each smaller one from the next larger. Nothing is written before the last row of the source has been
decoded, so a damaged file never becomes a half grey picture. `render` is the whole of the work and
knows nothing of processes. Raise RECIPE_VERSION in `presets.py` when its bytes change.
"""

import ctypes
import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, Final

import pyvips

from packshot.errors import (
    DecoderCrashed,
    FormatUnsupported,
    ImageDamaged,
    ImageError,
    ImageTooManyPixels,
)
from packshot.formats import HEAD_BYTES, accepted_format
from packshot.models import Compressed, Encoding, Picture, Preset

LOADERS: Final = ("Jpeg", "Png", "Webp", "Nsgif", "Heif")  # all others are blocked
# What libjpeg grumbles about although no pixel is lost; its other warnings are holes in the picture.
HARMLESS: Final = re.compile(
    r"Adobe color|JFIF revision|SOS param|progression seq|ICC marker|: \d extraneous"
)
NO_MEMORY: Final = re.compile(
    r"out of memory|insufficient memory|memory allocation error(?!: secur)", re.IGNORECASE
)
UNREADABLE: Final = (pyvips.Error, UnicodeDecodeError)  # the latter when libvips quotes from a broken file
CREDITS: Final = ("exif-ifd0-Artist", "exif-ifd0-Copyright")
MOST_FILE_BYTES: Final = 200_000_000  # no rendition comes near it
IDLE_SECONDS: Final = 1  # then memory goes back to the system
DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG

pyvips.cache_set_max(0)  # it would hold on to the pictures of earlier jobs
pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in LOADERS:
    pyvips.operation_block_set(f"VipsForeignLoad{_loader}", False)


def render(source: Path, folder: Path, presets: Sequence[Preset], max_pixels: int) -> Compressed:
    """Write every rendition of `source` into `folder` as `<preset>.<format>`, in the order of the presets.

    Raises ImageError for what is wrong with the source, OSError when a file cannot be written.
    """
    header = _header(source, max_pixels)
    width, height = _upright(header, (header.width, header.height))
    largest = _fit(width, height, max(preset.pixels for preset in presets))
    image = _decode(source, largest, "warning" if header.get("vips-loader") == "jpegload" else "error")
    made: dict[str, list[Picture]] = {}
    for preset in sorted(presets, key=lambda preset: -preset.pixels):
        image = _shrink(image, _fit(width, height, preset.pixels))
        made[preset.name] = [_write(image, preset.name, encoding, folder) for encoding in preset.encodings]
    return Compressed(width, height, tuple(picture for preset in presets for picture in made[preset.name]))


def _header(source: Path, max_pixels: int) -> pyvips.Image:
    """Read no more than the header, and refuse what must not be decoded."""
    with source.open("rb") as file:
        accepted_format(file.read(HEAD_BYTES))
    pyvips.vips_lib.vips_error_clear()  # what earlier files left behind says nothing about this one
    try:
        header = _load(source, "error")
    except UNREADABLE as error:
        raise _damage(source, error) from error
    if header.width * header.height > max_pixels:
        size = f"{header.width:,} x {header.height:,} pixels"
        raise ImageTooManyPixels(f"The picture has {size}; no more than {max_pixels:,} in all are taken.")
    return header


def _load(source: Path, fail_on: str, **options: Any) -> pyvips.Image:  # noqa: ANN401 - libvips checks them
    """Open the file without decoding it; of several frames or pages, only the first."""
    return pyvips.Image.new_from_file(str(source), access="sequential", fail_on=fail_on, **options)


def _upright(image: pyvips.Image, size: tuple[int, int]) -> tuple[int, int]:
    """Swap width and height if the picture lies on its side (EXIF orientations 5 to 8)."""
    lies = image.get_typeof("orientation") and image.get("orientation") in range(5, 9)
    return (size[1], size[0]) if lies else size


def _fit(width: int, height: int, pixels: int) -> tuple[int, int]:
    scale = min(1, pixels / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _decode(source: Path, size: tuple[int, int], fail_on: str) -> pyvips.Image:
    """Return the upright picture of that size in memory: 8-bit sRGB or grey, no metadata but the credits."""
    try:
        image = _reduce(source, size, fail_on)
    except UNREADABLE as error:
        if fail_on == "warning" and HARMLESS.search(str(error)):
            return _decode(source, size, "error")
        raise _damage(source, error) from error
    if image.get_typeof("orientation"):
        image = image.autorot()
    if image.hasalpha() and image[image.bands - 1].min() == 255:  # noqa: PLR2004 - opaque
        image = image[: image.bands - 1]
    return _strip(image)


def _reduce(source: Path, size: tuple[int, int], fail_on: str) -> pyvips.Image:
    image = _load(source, fail_on)
    width, height = _upright(image, size)
    # libjpeg shrinks for free, but coarsely: twice the wanted size must be left for the real filter
    spare = min(max(image.width, image.height) // (2 * max(size)), image.width, image.height)
    if spare > 1 and image.get("vips-loader") == "jpegload":
        image = _load(source, fail_on, shrink=max(shrink for shrink in (2, 4, 8) if shrink <= spare))
    # without a profile in the file, converting to one would cost 280 ms and change nothing
    colours = {"output_profile": "srgb"} if image.get_typeof("icc-profile-data") else {}
    return image.thumbnail_image(width, height=height, size="force", no_rotate=True, **colours).copy_memory()


def _damage(source: Path, error: Exception) -> ImageError:
    if NO_MEMORY.search(str(error)):
        return DecoderCrashed("The picture needs more memory than PACKSHOT_DECODE_MEMORY_BYTES.")
    if "has not been built in" in str(error):
        return FormatUnsupported(
            "The file calls itself AVIF, but its picture is coded in another way (HEIC)."
        )
    percent = 0
    with suppress(*UNREADABLE):  # it does not say how far the decoder came, so watch it fail once more
        image = _load(source, "warning")
        region = pyvips.Region.new(image)
        for row in range(image.height):
            region.fetch(0, row, image.width, 1)
            percent = 100 * row // image.height
    pyvips.vips_lib.vips_error_clear()  # every later message would quote it
    far = f"only its upper {percent} % can be decoded" if percent else "it cannot be decoded"
    return ImageDamaged(f"The picture is damaged or incomplete: {far}.")


def _strip(image: pyvips.Image) -> pyvips.Image:
    """Return nothing but the pixels (no places, cameras, thumbnails), and whose picture it is."""
    pixels = image.write_to_memory()
    bare = pyvips.Image.new_from_memory(pixels, image.width, image.height, image.bands, image.format)
    bare = bare.copy(interpretation=image.interpretation)
    credits_ = {name: image.get(name) for name in CREDITS if image.get_typeof(name)}
    for name, value in credits_.items():
        # libvips shows a text as "text (text, ASCII, …)", and cuts the last bracket off when it writes
        text = re.match(r"(?s)(.*) \(\1, ASCII", value)
        bare.set_type(pyvips.GValue.gstr_type, name, f"{text[1].strip()} ()" if text else value)
    return bare


def _shrink(image: pyvips.Image, size: tuple[int, int]) -> pyvips.Image:
    if size == (image.width, image.height):
        return image
    return image.thumbnail_image(size[0], height=size[1], size="force").copy_memory()


def _write(image: pyvips.Image, preset: str, encoding: Encoding, folder: Path) -> Picture:
    path = folder / f"{preset}.{encoding.format}"
    # written by us, because libvips does not say why a write fails
    size = path.write_bytes(_encode(image, encoding))
    return Picture(preset, encoding.format, image.width, image.height, size, path)


def _encode(image: pyvips.Image, encoding: Encoding) -> bytes:
    keep = "exif" if any(image.get_typeof(name) for name in CREDITS) else "none"
    match encoding.format:
        case "avif":
            options = {"compression": "av1", "encoder": "aom", "bitdepth": 8, "Q": encoding.quality}
            data = image.heifsave_buffer(effort=encoding.effort, keep=keep, **options)
        case "webp":
            data = image.webpsave_buffer(Q=encoding.quality, effort=encoding.effort, keep=keep)
        case "png":
            data = image.pngsave_buffer(compression=encoding.effort, filter="all", keep=keep)
        case _:
            opaque = image.flatten(background=255) if image.hasalpha() else image
            data = opaque.jpegsave_buffer(Q=encoding.quality, optimize_coding=True, keep=keep)
    return bytes(data)


def main() -> None:
    """Answer one job per line until stdin ends; die with the parent."""
    libc = ctypes.CDLL(None)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    print("ready", file=answers)
    while line := _next_line(libc):
        print(json.dumps(_answer(json.loads(line)), default=str), file=answers)


def _next_line(libc: ctypes.CDLL) -> str:
    if not select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        with suppress(AttributeError):  # glibc only
            libc.malloc_trim(0)
    return sys.stdin.readline()


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    presets = [
        Preset(p["name"], p["pixels"], tuple(Encoding(**e) for e in p["encodings"])) for p in job["presets"]
    ]
    try:
        _confine(**job["limits"])
        return asdict(render(Path(job["source"]), Path(job["folder"]), presets, job["max_pixels"]))
    except ImageError as error:
        return {"error": error.code, "message": str(error), "debug": str(error.__cause__)[:500]}
    except OSError as error:
        return {"error": "service_unavailable", "message": str(error), "debug": ""}
    except Exception:  # noqa: BLE001 - a bug must reach the log of the parent, not kill the child in silence
        return {"error": DecoderCrashed.code, "message": "bug", "debug": traceback.format_exc()[-2000:]}


def _confine(memory_bytes: int, seconds: float) -> None:
    """Limit this process for the next job; `seconds` of processor time, from now."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: ceil(time.process_time() + seconds) + 1,
        resource.RLIMIT_FSIZE: MOST_FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for what, wanted in limits.items():
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main()
