"""What becomes of good and odd pictures. How the process behaves is the matter of test_compress."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import pyvips
from tests.pictures import (
    FORMATS,
    corners,
    encode,
    moving,
    photo,
    picture,
)

from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import Rendering, render

JPEG = Encoding("jpeg", 90, 0)
AVIF = Encoding("avif", 80, 0)
WEBP = Encoding("webp", 90, 0)
PNG = Encoding("png", 100, 1)
EVERY_FORMAT = (Preset("every", 200, (AVIF, JPEG, WEBP, PNG)),)
LARGE_AND_THUMB = (Preset("large", 64, (AVIF, JPEG)), Preset("thumb", 16, (JPEG,)))


def made(data: bytes, presets: Sequence[Preset] = EVERY_FORMAT) -> Rendering:
    return render(data, presets, SourceLimits(pixels=1_000_000, side=10_000, frames=100))


def opened(rendering: Rendering) -> list[pyvips.Image]:
    return [pyvips.Image.new_from_buffer(one.data, "") for one in rendering.encoded]


def as_format(rendering: Rendering, format_: str) -> pyvips.Image:
    return next(
        image
        for one, image in zip(rendering.encoded, opened(rendering), strict=True)
        if one.format == format_
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_becomes_every_rendition(format_: str) -> None:
    rendering = made(encode(picture(), format_))

    assert (rendering.width, rendering.height) == (96, 64)
    assert [corners(image) for image in opened(rendering)] == ["RGBW"] * 4
    loaders = [image.get("vips-loader") for image in opened(rendering)]
    assert loaders == ["heifload_buffer", "jpegload_buffer", "webpload_buffer", "pngload_buffer"]


def test_what_is_said_of_a_rendition_is_true() -> None:
    for rendition in made(encode(picture(), "png"), LARGE_AND_THUMB).encoded:
        image = pyvips.Image.new_from_buffer(rendition.data, "")
        assert (rendition.width, rendition.height) == (image.width, image.height)


@pytest.mark.parametrize(
    ("source", "large", "thumb"),
    [((96, 64), (64, 43), (16, 11)), ((64, 96), (43, 64), (11, 16)), ((90, 90), (64, 64), (16, 16))],
)
def test_the_longer_side_fits_the_preset(
    source: tuple[int, int], large: tuple[int, int], thumb: tuple[int, int]
) -> None:
    pictures = made(encode(picture(*source), "jpeg"), LARGE_AND_THUMB).encoded

    assert [(rendition.width, rendition.height) for rendition in pictures] == [large, large, thumb]


def test_a_picture_is_never_enlarged() -> None:
    pictures = made(encode(picture(20, 10), "png"), LARGE_AND_THUMB).encoded

    assert [(rendition.width, rendition.height) for rendition in pictures] == [(20, 10), (20, 10), (16, 8)]


def test_renditions_come_in_the_order_of_the_presets() -> None:
    thumb_first = (LARGE_AND_THUMB[1], LARGE_AND_THUMB[0])

    pictures = made(encode(picture(), "png"), thumb_first).encoded

    assert [(p.preset, p.format) for p in pictures] == [
        ("thumb", "jpeg"),
        ("large", "avif"),
        ("large", "jpeg"),
    ]


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000), (1, 1)])
def test_a_picture_as_thin_as_a_hair_keeps_one_pixel(size: tuple[int, int]) -> None:
    thumb = made(encode(picture(*size), "jpeg"), LARGE_AND_THUMB).encoded[2]

    assert (thumb.width, thumb.height) == (min(16, size[0]), min(16, size[1]))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    # how a viewer shows the quadrants of a file whose pixels are stored as "RGBW"
    [(1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (4, "BWRG"), (5, "RBGW"), (6, "BRWG"), (7, "WGBR"), (8, "GWRB")],
)
def test_pictures_come_out_upright(orientation: int, upright: str) -> None:
    data = encode(picture(), "jpeg", fields={"orientation": orientation})

    rendering = made(data, (Preset("half", 48, (PNG, JPEG)),))

    across, down = (2, 3) if orientation > 4 else (3, 2)
    assert (rendering.width, rendering.height) == (32 * across, 32 * down)
    for image in opened(rendering):
        assert (image.width, image.height) == (16 * across, 16 * down)
        assert corners(image) == upright
        assert not image.get_typeof("orientation")


def test_transparency_stays_and_becomes_white_in_jpeg() -> None:
    half = pyvips.Image.black(48, 64).join(pyvips.Image.black(48, 64) + 255, "horizontal").cast("uchar")

    rendering = made(encode(picture().bandjoin(half), "png"))

    for format_ in ("avif", "webp", "png"):
        image = as_format(rendering, format_)
        assert (image.getpoint(10, 10)[3], image.getpoint(90, 10)[3]) == (0, 255), format_
    assert as_format(rendering, "jpeg").bands == 3
    assert min(as_format(rendering, "jpeg").getpoint(10, 10)) > 250


def test_an_alpha_channel_that_hides_nothing_is_dropped() -> None:
    rendering = made(encode(picture().bandjoin(255), "png"), (replace(EVERY_FORMAT[0], pixels=48),))

    assert [image.bands for image in opened(rendering)] == [3] * 4


@pytest.mark.parametrize("profile", ["keep", "drop"])
def test_cmyk_becomes_rgb_with_and_without_a_profile(profile: str) -> None:
    inks = picture().icc_transform("cmyk", input_profile="srgb")
    data = encode(inks, "jpeg", keep="all" if profile == "keep" else "none")

    for image in opened(made(data)):
        assert image.bands == 3
        red, green, blue = image.getpoint(10, 10)
        assert red > 150
        assert max(green, blue) < 100


def test_sixteen_bits_become_eight() -> None:
    deep = (picture().cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")

    images = opened(made(encode(deep, "png")))

    assert [(image.format, corners(image)) for image in images] == [("uchar", "RGBW")] * 4


def test_a_palette_becomes_full_colour() -> None:
    images = opened(made(encode(picture(), "png", palette=True)))

    assert [(image.bands, corners(image)) for image in images] == [(3, "RGBW")] * 4


def test_grey_stays_grey() -> None:
    grey = (pyvips.Image.black(96, 64) + 90).cast("uchar").copy(interpretation="b-w")

    for image in opened(made(encode(grey, "png"))):
        assert image.getpoint(10, 10) == pytest.approx([90] * image.bands, abs=3)


def test_grey_keeps_its_transparency() -> None:
    grey = (pyvips.Image.black(96, 64) + 90).cast("uchar").copy(interpretation="b-w")

    rendering = made(encode(grey.bandjoin(128), "png"))

    for format_ in ("avif", "webp", "png"):
        *colour, alpha = as_format(rendering, format_).getpoint(10, 10)
        assert (colour, alpha) == (pytest.approx([90] * len(colour), abs=3), pytest.approx(128, abs=2)), (
            format_
        )


def test_wide_gamut_colours_are_converted_to_srgb() -> None:
    wide = picture().icc_transform("p3", input_profile="srgb")
    assert corners(wide) != "RGBW"

    images = opened(made(encode(wide, "png")))

    assert [corners(image) for image in images] == ["RGBW"] * 4
    assert [image.get_typeof("icc-profile-data") for image in images] == [0] * 4


def test_a_broken_profile_is_ignored() -> None:
    data = encode(picture(), "jpeg", fields={"icc-profile-data": b"this is no profile"})

    assert corners(as_format(made(data), "png")) == "RGBW"


@pytest.mark.parametrize("format_", ["gif", "webp"])
def test_a_moving_picture_gives_its_first_frame(format_: str) -> None:
    rendering = made(moving(format_))

    assert (rendering.width, rendering.height) == (96, 64)
    assert [corners(image) for image in opened(rendering)] == ["RGBW"] * 4


PRIVATE: dict[str, int | str | bytes] = {
    "exif-ifd0-Make": "Secretcam",
    "exif-ifd0-ImageDescription": "Secret words",
    "exif-ifd3-GPSLatitude": "50/1 30/1 0/1",
    "xmp-data": b"<x>Secret xmp</x>",
}


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("owner", ["", "Ann Lee"])
def test_private_metadata_is_dropped(format_: str, owner: str) -> None:
    fields = {**PRIVATE, "exif-ifd0-Copyright": owner} if owner else PRIVATE
    data = encode(picture(), format_, fields=fields)
    assert b"Secret" in data

    rendering = made(data)

    for rendition, image in zip(rendering.encoded, opened(rendering), strict=True):
        assert b"Secret" not in rendition.data
        assert not [name for name in image.get_fields() if "GPS" in name or name == "xmp-data"]


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_copyright_and_artist_are_kept(format_: str) -> None:
    words = {"exif-ifd0-Copyright": "Ann Lee 2024", "exif-ifd0-Artist": "Ann Lee"}
    data = encode(picture(), format_, fields=words)

    for image in opened(made(data)):
        assert image.get("exif-ifd0-Copyright").startswith("Ann Lee 2024 ")
        assert image.get("exif-ifd0-Artist").startswith("Ann Lee (Ann Lee, ASCII")


@pytest.mark.parametrize("size", [(96, 64), (64, 43), (30, 20)])
def test_every_size_names_whose_picture_it_is(size: tuple[int, int]) -> None:
    data = encode(picture(*size), "jpeg", fields={"exif-ifd0-Copyright": "Jane Doe"})

    for rendition in made(data, LARGE_AND_THUMB).encoded:
        assert b"Jane Doe\0" in rendition.data


def test_no_more_than_a_name_is_kept() -> None:
    data = encode(picture(), "jpeg", fields={"exif-ifd0-Artist": "Ann <b>" + 50_000 * "x"})

    for rendition in made(data, LARGE_AND_THUMB).encoded:
        assert len(rendition.data) < 3_000
        assert b"Ann bxxx" in rendition.data


def test_brackets_in_a_copyright_survive() -> None:
    data = encode(picture(), "jpeg", fields={"exif-ifd0-Artist": "Ann (studio) Lee (Berlin) ()"})
    assert b"Ann (studio) Lee (Berlin)\0" in data

    for rendition in made(data).encoded:
        assert b"Ann (studio) Lee (Berlin)\0" in rendition.data


def test_the_same_bytes_become_the_same_bytes() -> None:
    first = made(encode(photo(), "jpeg"))

    again = made(encode(photo(), "jpeg"))

    for one, other in zip(first.encoded, again.encoded, strict=True):
        assert one.data == other.data


@pytest.mark.parametrize("times", [2, 3, 4, 9, 30])
def test_a_large_jpeg_comes_out_as_sharp_as_a_png(times: int) -> None:
    # libjpeg shrinks while it decodes; done too early, that costs detail
    large, small = photo(32 * times, 24 * times), (Preset("small", 32, (PNG,)),)

    jpeg = opened(made(encode(large, "jpeg", Q=100, subsample_mode="off"), small))[0]
    png = opened(made(encode(large, "png"), small))[0]

    assert (jpeg - png).abs().avg() < 1.5
