"""What no rendition is made of: broken files, files that are no pictures, and bombs."""

import pytest
import pyvips
from tests.pictures import encode, hevc_that_calls_itself_avif, photo, picture, png_of_claimed_size

from packshot.errors import FormatUnsupported, ImageDamaged, ImageTooManyPixels, NotAnImage
from packshot.loading import prepare
from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import Rendering, render

PRESETS = (Preset("large", 200, (Encoding("jpeg", 80, 0),)),)
FIVE_CUTS = (0.1, 0.4, 0.7, 0.95, 0.995)
VARIANTS = {
    "jpeg": encode(photo(), "jpeg"),
    "progressive jpeg": encode(photo(), "jpeg", interlace=True),
    "png": encode(photo(), "png"),
    "interlaced png": encode(photo(), "png", interlace=True),
    "webp": encode(photo(), "webp"),
    "lossless webp": encode(photo(), "webp", lossless=True),
    "gif": encode(photo(), "gif"),
    "avif": encode(photo(), "avif"),
}


def made(data: bytes, max_pixels: int = 1_000_000) -> Rendering:
    return render(data, PRESETS, SourceLimits(max_pixels, side=100_000, frames=100))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("part", FIVE_CUTS)
def test_a_file_that_was_cut_off_never_becomes_a_rendition(variant: str, part: float) -> None:
    data = VARIANTS[variant]

    with pytest.raises(ImageDamaged):
        made(data[: int(len(data) * part)])


@pytest.mark.parametrize("variant", ["jpeg", "progressive jpeg", "png", "interlaced png", "gif", "avif"])
def test_a_file_with_a_hole_in_it_never_becomes_a_rendition(variant: str) -> None:
    data = VARIANTS[variant]
    middle = len(data) // 2

    with pytest.raises(ImageDamaged):
        made(data[:middle] + b"\xff" * 64 + data[middle + 64 :])


def test_the_supplier_is_told_how_far_the_file_is_good() -> None:
    data = VARIANTS["jpeg"]

    with pytest.raises(ImageDamaged, match=r"^The picture is .* only its upper [5-7]\d % can be decoded\.$"):
        made(data[: len(data) * 7 // 10])


@pytest.mark.parametrize("lost", [1, 2, 100, 1000])
def test_a_cut_below_the_last_row_that_is_needed_is_noticed_too(lost: int) -> None:
    preset = Preset("stamp", 10, (Encoding("jpeg", 80, 0),))

    with pytest.raises(ImageDamaged):
        render(encode(photo(), "jpeg")[:-lost], [preset], SourceLimits(1_000_000, 1_000, 1))


def test_what_a_library_only_grumbles_about_is_no_damage() -> None:
    strange_adobe_segment = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x09"
    data = VARIANTS["jpeg"]

    assert made(data[:2] + strange_adobe_segment + data[2:]).encoded


def test_a_file_whose_words_are_no_text_is_damaged_too() -> None:
    # libvips quotes the word in its message, which then is no text either
    data = encode(picture().bandjoin(128), "avif").replace(b"auxC", b"\xf2uxC", 1)

    with pytest.raises(ImageDamaged):
        made(data)


def test_metadata_whose_name_is_no_text_does_no_harm() -> None:
    data = encode(picture(), "avif", fields={"exif-ifd0-Make": "Camera"})

    assert made(data.replace(b"Exif\0\0", b"\xf2\xa6if\0\0", 1)).encoded


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"<html><svg></svg></html>", bytes(range(256)) * 10])
def test_garbage_is_not_an_image(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        made(data)


@pytest.mark.parametrize("head", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\1\0\0WEBPVP8 ", b"GIF89a"])
def test_a_good_beginning_with_nothing_behind_it_is_damage(head: bytes) -> None:
    with pytest.raises(ImageDamaged):
        made(head + b"nothing")


def test_other_pictures_are_refused_by_name() -> None:
    with pytest.raises(FormatUnsupported, match="TIFF"):
        made(encode(picture(), "tiff"))


def test_libvips_loads_nothing_but_the_five_formats() -> None:
    data = encode(picture(), "tiff")
    prepare(())

    with pytest.raises(pyvips.Error, match="not in a known format"):
        pyvips.Image.new_from_buffer(data, "")


def test_only_av1_may_call_itself_avif() -> None:
    with pytest.raises(FormatUnsupported, match="HEIC"):
        made(hevc_that_calls_itself_avif())


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    with pytest.raises(ImageTooManyPixels, match=r"65,535 x 65,535 pixels; no more than 50,000,000"):
        made(png_of_claimed_size(65_535, 65_535), max_pixels=50_000_000)


def test_as_many_pixels_as_allowed_are_taken() -> None:
    assert made(encode(picture(), "png"), max_pixels=96 * 64).encoded
    with pytest.raises(ImageTooManyPixels):
        made(encode(picture(), "png"), max_pixels=96 * 64 - 1)
