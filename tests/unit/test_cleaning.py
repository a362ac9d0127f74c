"""What is kept of a source: every pixel, and nothing else."""

import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest
import pyvips
from tests.mutations import MUTATIONS, png_chunk
from tests.pictures import encode, photo, picture

from packshot.cleaning import cleaned

SECRET = b"Secret"
JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\x01\0\x48\0\x48\0\0"
ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"  # and a last byte that says how the colours are coded
PRIVATE: dict[str, int | str | bytes] = {
    "exif-ifd0-Make": "Secretcam",
    "exif-ifd3-GPSLatitude": "50/1 30/1 0/1",
    "xmp-data": b"<x>Secret xmp</x>",
    "icc-profile-data": pyvips.Image.profile_load("srgb"),
}
"""A thumbnail is a part of EXIF, which goes as a whole."""


def seen_through() -> pyvips.Image:
    fading = (pyvips.Image.xyz(320, 240)[0] / 2 + 50).cast("uchar")
    return photo().bandjoin(fading)


def grey() -> pyvips.Image:
    return photo()[0].copy(interpretation="b-w")


VARIANTS: dict[str, tuple[pyvips.Image, str, dict[str, Any]]] = {
    "jpeg": (photo(), "jpeg", {}),
    "progressive": (photo(), "jpeg", {"interlace": True}),
    "optimised": (photo(), "jpeg", {"optimize_coding": True}),
    "optimised scans": (photo(), "jpeg", {"interlace": True, "optimize_scans": True, "trellis_quant": True}),
    "restarts": (photo(), "jpeg", {"restart_interval": 3}),
    "full colours": (photo(), "jpeg", {"subsample_mode": "off"}),
    "grey jpeg": (grey(), "jpeg", {}),
    "inks": (photo().icc_transform("cmyk", input_profile="srgb"), "jpeg", {}),
    "odd size": (photo(33, 17), "jpeg", {}),
    "one pixel": (photo(1, 1), "jpeg", {}),
    "png": (photo(), "png", {}),
    "transparent png": (seen_through(), "png", {}),
    "grey png": (grey(), "png", {}),
    "palette": (picture(), "png", {"palette": True, "bitdepth": 4}),
    "transparent palette": (seen_through(), "png", {"palette": True}),
    "two colours": (picture()[0] > 100, "png", {"bitdepth": 1}),
}


def made(name: str, fields: Mapping[str, int | str | bytes] | None = None) -> tuple[str, bytes]:
    image, format_, options = VARIANTS[name]
    return format_, encode(image, format_, fields=fields, keep="all" if fields else "none", **options)


def shown(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "", fail_on="warning").copy_memory()


def shows_the_same(one: bytes, other: bytes) -> bool:
    ours, theirs = shown(one), shown(other)
    return bool(ours.bands == theirs.bands and (ours - theirs).abs().max() == 0)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_pixel_stays(name: str) -> None:
    format_, data = made(name, PRIVATE)

    clean = cleaned(format_, data)

    assert clean
    assert shows_the_same(clean, data)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_private_goes(name: str) -> None:
    format_, data = made(name, PRIVATE)
    assert SECRET in data

    clean = cleaned(format_, data)

    assert clean
    assert SECRET not in clean
    fields = {*shown(clean).get_fields()}
    assert not [name for name in fields if name.startswith(("exif", "xmp", "iptc", "icc", "png-comment"))]


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_clean_stays_as_it_is(name: str) -> None:
    format_, data = made(name)

    clean = cleaned(format_, data)

    assert clean
    assert cleaned(format_, clean) == clean


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_grows(name: str) -> None:
    format_, data = made(name)

    clean = cleaned(format_, data)

    assert clean
    assert len(clean) <= len(data)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_hidden_behind_the_end_goes(name: str) -> None:
    format_, data = made(name)

    assert cleaned(format_, data + b"PK\x03\x04Secret") == cleaned(format_, data)


def after_start(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def segment(mark: int, body: bytes) -> bytes:
    return bytes([0xFF, mark]) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("mark", [0xFE, *range(0xE0, 0xF0)], ids=hex)
def test_comments_and_notes_of_programs_go(mark: int) -> None:
    data = encode(photo(), "jpeg", keep="none")

    clean = cleaned("jpeg", after_start(data, *2 * [segment(mark, b"Secret words")]))

    assert clean == cleaned("jpeg", data)


def test_of_several_pictures_in_a_file_the_first_stays() -> None:
    first, second = (encode(image, "jpeg", keep="none") for image in (photo(), photo().invert()))
    index = segment(0xE2, b"MPF\0" + 40 * b"\0")

    assert cleaned("jpeg", after_start(first, index) + second) == cleaned("jpeg", first)


def coded(data: bytes, *how: bytes, names: bytes = b"\1\2\3") -> bytes:
    """Say of a JPEG how its colours are coded, and how its components are called."""
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    changed = bytearray(data)
    for nth, name in enumerate(names):
        changed[frame + 10 + 3 * nth] = changed[scan + 5 + 2 * nth] = name
    return after_start(bytes(changed), *how)


@pytest.mark.parametrize("names", [b"\1\2\3", b"RGB", b"\0\1\2"])
@pytest.mark.parametrize(
    "how",
    [
        (),
        (JFIF,),
        (ADOBE + b"\0",),
        (ADOBE + b"\1",),
        (JFIF, ADOBE + b"\0"),
        (ADOBE + b"\0", JFIF),
        (ADOBE + b"\0", ADOBE + b"\1"),
        (segment(0xEE, ADOBE[4:] + b"\0Secret"),),
        (segment(0xEE, b"AdobeSecret\1"),),
        (segment(0xEE, ADOBE[4:]),),
        (segment(0xE0, JFIF[4:] + b"Secret"),),
        (segment(0xE0, JFIF[4:10]),),
    ],
)
def test_colours_are_read_as_they_were_coded(how: tuple[bytes, ...], names: bytes) -> None:
    bare = encode(photo(), "jpeg", keep="none", subsample_mode="off")
    data = coded(bare, *how, names=names)

    clean = cleaned("jpeg", data)

    assert clean
    assert shows_the_same(clean, data)
    assert SECRET not in clean


def test_a_credit_of_ours_is_put_in() -> None:
    data = encode(photo(), "jpeg", fields={**PRIVATE, "exif-ifd0-Artist": "Ann Lee, Secret street"})
    ours = encode(picture(), "jpeg", fields={"exif-ifd0-Artist": "Ann Lee"}, keep="exif")

    clean = cleaned("jpeg", data, credit_of=ours)

    assert clean
    assert b"Ann Lee\0" in clean
    assert SECRET not in clean
    assert shows_the_same(clean, data)


@pytest.mark.parametrize("mark", [0x01, 0xC3, 0xC9, 0xCC, 0xD8, 0xDC, 0xF7], ids=hex)
def test_a_jpeg_that_is_built_in_another_way_is_not_kept(mark: int) -> None:
    data = after_start(encode(photo(), "jpeg", keep="none"), segment(mark, b"12345678"))

    assert cleaned("jpeg", data) is None


def chunked(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with more chunks behind its header."""
    data = encode(photo(), "png", keep="none")
    return data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:]


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"sRGB", b"gAMA", b"vpAg"])
def test_only_pixels_are_kept_of_a_png(kind: bytes) -> None:
    assert cleaned("png", chunked((kind, SECRET))) == cleaned("png", chunked())


def test_a_png_with_a_critical_chunk_that_we_do_not_know_is_not_kept() -> None:
    assert cleaned("png", chunked((b"CgBI", b""))) is None


def repacked(pixels: bytes) -> bytes:
    """Return a PNG of 2 x 1 pixels with this as its packed pixels."""
    header = b"\0\0\0\2\0\0\0\1\x08\2\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(kind, body) for kind, body in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def test_a_png_with_as_many_bytes_as_its_rows_have_is_kept() -> None:
    assert cleaned("png", repacked(zlib.compress(bytes(7)))) == repacked(zlib.compress(bytes(7)))


@pytest.mark.parametrize(
    "pixels",
    [zlib.compress(bytes(7)) + SECRET, zlib.compress(bytes(7) + SECRET), zlib.compress(bytes(6))],
    ids=["behind what is packed", "behind the rows", "too few"],
)
def test_a_png_with_more_or_less_than_its_rows_is_not_kept(pixels: bytes) -> None:
    assert cleaned("png", repacked(pixels)) is None


def test_a_png_that_unpacks_to_gigabytes_costs_nothing() -> None:
    bomb = repacked(zlib.compress(bytes(50_000_000)))
    tracemalloc.start()

    assert cleaned("png", bomb) is None

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_an_interlaced_png_is_not_kept() -> None:
    assert cleaned("png", encode(photo(), "png", interlace=True)) is None


@pytest.mark.parametrize("format_", ["avif", "gif", "tiff", "webp"])
def test_other_formats_are_not_kept(format_: str) -> None:
    assert cleaned(format_, encode(photo(), format_)) is None


def shown_if_any(data: bytes) -> pyvips.Image | None:
    try:
        header = pyvips.Image.new_from_buffer(data, "")
        return shown(data) if header.width * header.height == 320 * 240 else None
    except pyvips.Error:
        return None


def mutants(data: bytes) -> Iterator[bytes]:
    for seed in range(12):
        for mutation in MUTATIONS.values():
            yield mutation(data, Random(f"{mutation.__name__} {seed}"))  # noqa: S311 - it must repeat


@pytest.mark.parametrize("name", ["jpeg", "progressive", "transparent palette"])
def test_of_a_broken_file_nothing_is_shown_that_the_file_did_not_show(name: str) -> None:
    format_, data = made(name, PRIVATE)

    for mutant in mutants(data):
        clean = cleaned(format_, mutant)
        if clean and (wanted := shown_if_any(mutant)):
            ours, theirs = (
                image.flatten() if image.hasalpha() else image for image in (shown(clean), wanted)
            )
            assert (ours - theirs).abs().max() == 0
