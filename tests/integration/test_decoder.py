"""What the decoder makes of good and odd pictures. How its process behaves is the matter of test_compress."""

from collections.abc import Sequence
from pathlib import Path

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

from packshot.decoder import render
from packshot.models import Compressed, Encoding, Preset

JPEG = Encoding("jpeg", 90, 0)
AVIF = Encoding("avif", 80, 0)
WEBP = Encoding("webp", 90, 0)
PNG = Encoding("png", 100, 1)
EVERY_FORMAT = (Preset("every", 200, (AVIF, JPEG, WEBP, PNG)),)
LARGE_AND_THUMB = (Preset("large", 64, (AVIF, JPEG)), Preset("thumb", 16, (JPEG,)))


def made(data: bytes, folder: Path, presets: Sequence[Preset] = EVERY_FORMAT) -> Compressed:
    (folder / "source").write_bytes(data)
    return render(folder / "source", folder, presets, max_pixels=1_000_000)


def opened(compressed: Compressed) -> list[pyvips.Image]:
    return [pyvips.Image.new_from_file(str(picture.path)) for picture in compressed.pictures]


def as_format(compressed: Compressed, format_: str) -> pyvips.Image:
    return next(
        image
        for picture, image in zip(compressed.pictures, opened(compressed), strict=True)
        if picture.format == format_
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_becomes_every_rendition(format_: str, tmp_path: Path) -> None:
    compressed = made(encode(picture(), format_), tmp_path)

    assert (compressed.width, compressed.height) == (96, 64)
    assert [corners(image) for image in opened(compressed)] == ["RGBW"] * 4
    loaders = [image.get("vips-loader") for image in opened(compressed)]
    assert loaders == ["heifload", "jpegload", "webpload", "pngload"]


def test_what_is_said_of_a_rendition_is_true(tmp_path: Path) -> None:
    for rendition in made(encode(picture(), "png"), tmp_path, LARGE_AND_THUMB).pictures:
        image = pyvips.Image.new_from_file(str(rendition.path))
        assert (rendition.width, rendition.height) == (image.width, image.height)
        assert rendition.bytes == rendition.path.stat().st_size


@pytest.mark.parametrize(
    ("source", "large", "thumb"),
    [((96, 64), (64, 43), (16, 11)), ((64, 96), (43, 64), (11, 16)), ((90, 90), (64, 64), (16, 16))],
)
def test_the_longer_side_fits_the_preset(
    source: tuple[int, int], large: tuple[int, int], thumb: tuple[int, int], tmp_path: Path
) -> None:
    pictures = made(encode(picture(*source), "jpeg"), tmp_path, LARGE_AND_THUMB).pictures

    assert [(rendition.width, rendition.height) for rendition in pictures] == [large, large, thumb]


def test_a_picture_is_never_enlarged(tmp_path: Path) -> None:
    pictures = made(encode(picture(20, 10), "png"), tmp_path, LARGE_AND_THUMB).pictures

    assert [(rendition.width, rendition.height) for rendition in pictures] == [(20, 10), (20, 10), (16, 8)]


def test_renditions_come_in_the_order_of_the_presets(tmp_path: Path) -> None:
    thumb_first = (LARGE_AND_THUMB[1], LARGE_AND_THUMB[0])

    pictures = made(encode(picture(), "png"), tmp_path, thumb_first).pictures

    assert [(p.preset, p.format) for p in pictures] == [
        ("thumb", "jpeg"),
        ("large", "avif"),
        ("large", "jpeg"),
    ]


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000), (1, 1)])
def test_a_picture_as_thin_as_a_hair_keeps_one_pixel(size: tuple[int, int], tmp_path: Path) -> None:
    thumb = made(encode(picture(*size), "jpeg"), tmp_path, LARGE_AND_THUMB).pictures[2]

    assert (thumb.width, thumb.height) == (min(16, size[0]), min(16, size[1]))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    # how a viewer shows the quadrants of a file whose pixels are stored as "RGBW"
    [(1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (4, "BWRG"), (5, "RBGW"), (6, "BRWG"), (7, "WGBR"), (8, "GWRB")],
)
def test_pictures_come_out_upright(orientation: int, upright: str, tmp_path: Path) -> None:
    data = encode(picture(), "jpeg", fields={"orientation": orientation})

    compressed = made(data, tmp_path, (Preset("half", 48, (PNG, JPEG)),))

    across, down = (2, 3) if orientation > 4 else (3, 2)
    assert (compressed.width, compressed.height) == (32 * across, 32 * down)
    for image in opened(compressed):
        assert (image.width, image.height) == (16 * across, 16 * down)
        assert corners(image) == upright
        assert not image.get_typeof("orientation")


def test_transparency_stays_and_becomes_white_in_jpeg(tmp_path: Path) -> None:
    half = pyvips.Image.black(48, 64).join(pyvips.Image.black(48, 64) + 255, "horizontal").cast("uchar")

    compressed = made(encode(picture().bandjoin(half), "png"), tmp_path)

    for format_ in ("avif", "webp", "png"):
        image = as_format(compressed, format_)
        assert (image.getpoint(10, 10)[3], image.getpoint(90, 10)[3]) == (0, 255), format_
    assert as_format(compressed, "jpeg").bands == 3
    assert min(as_format(compressed, "jpeg").getpoint(10, 10)) > 250


def test_an_alpha_channel_that_hides_nothing_is_dropped(tmp_path: Path) -> None:
    compressed = made(encode(picture().bandjoin(255), "png"), tmp_path)

    assert [image.bands for image in opened(compressed)] == [3] * 4


@pytest.mark.parametrize("profile", ["keep", "drop"])
def test_cmyk_becomes_rgb_with_and_without_a_profile(profile: str, tmp_path: Path) -> None:
    inks = picture().icc_transform("cmyk", input_profile="srgb")
    data = encode(inks, "jpeg", keep="all" if profile == "keep" else "none")

    for image in opened(made(data, tmp_path)):
        assert image.bands == 3
        red, green, blue = image.getpoint(10, 10)
        assert red > 150
        assert max(green, blue) < 100


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = (picture().cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")

    images = opened(made(encode(deep, "png"), tmp_path))

    assert [(image.format, corners(image)) for image in images] == [("uchar", "RGBW")] * 4


def test_a_palette_becomes_full_colour(tmp_path: Path) -> None:
    images = opened(made(encode(picture(), "png", palette=True), tmp_path))

    assert [(image.bands, corners(image)) for image in images] == [(3, "RGBW")] * 4


def test_grey_stays_grey(tmp_path: Path) -> None:
    grey = (pyvips.Image.black(96, 64) + 90).cast("uchar").copy(interpretation="b-w")

    for image in opened(made(encode(grey, "png"), tmp_path)):
        assert image.getpoint(10, 10) == pytest.approx([90] * image.bands, abs=3)


def test_grey_keeps_its_transparency(tmp_path: Path) -> None:
    grey = (pyvips.Image.black(96, 64) + 90).cast("uchar").copy(interpretation="b-w")

    compressed = made(encode(grey.bandjoin(128), "png"), tmp_path)

    for format_ in ("avif", "webp", "png"):
        *colour, alpha = as_format(compressed, format_).getpoint(10, 10)
        assert (colour, alpha) == (pytest.approx([90] * len(colour), abs=3), pytest.approx(128, abs=2)), (
            format_
        )


def test_wide_gamut_colours_are_converted_to_srgb(tmp_path: Path) -> None:
    wide = picture().icc_transform("p3", input_profile="srgb")
    assert corners(wide) != "RGBW"

    images = opened(made(encode(wide, "png"), tmp_path))

    assert [corners(image) for image in images] == ["RGBW"] * 4
    assert [image.get_typeof("icc-profile-data") for image in images] == [0] * 4


def test_a_broken_profile_is_ignored(tmp_path: Path) -> None:
    data = encode(picture(), "jpeg", fields={"icc-profile-data": b"this is no profile"})

    assert corners(as_format(made(data, tmp_path), "png")) == "RGBW"


@pytest.mark.parametrize("format_", ["gif", "webp"])
def test_a_moving_picture_gives_its_first_frame(format_: str, tmp_path: Path) -> None:
    compressed = made(moving(format_), tmp_path)

    assert (compressed.width, compressed.height) == (96, 64)
    assert [corners(image) for image in opened(compressed)] == ["RGBW"] * 4


PRIVATE: dict[str, int | str | bytes] = {
    "exif-ifd0-Make": "Secretcam",
    "exif-ifd0-ImageDescription": "Secret words",
    "exif-ifd3-GPSLatitude": "50/1 30/1 0/1",
    "xmp-data": b"<x>Secret xmp</x>",
}


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("owner", ["", "Ann Lee"])
def test_private_metadata_is_dropped(format_: str, owner: str, tmp_path: Path) -> None:
    fields = {**PRIVATE, "exif-ifd0-Copyright": owner} if owner else PRIVATE
    data = encode(picture(), format_, fields=fields)
    assert b"Secret" in data

    compressed = made(data, tmp_path)

    for rendition, image in zip(compressed.pictures, opened(compressed), strict=True):
        assert b"Secret" not in rendition.path.read_bytes()
        assert not [name for name in image.get_fields() if "GPS" in name or name == "xmp-data"]


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_copyright_and_artist_are_kept(format_: str, tmp_path: Path) -> None:
    words = {"exif-ifd0-Copyright": "Ann Lee 2024", "exif-ifd0-Artist": "Ann Lee"}
    data = encode(picture(), format_, fields=words)

    for image in opened(made(data, tmp_path)):
        assert image.get("exif-ifd0-Copyright").startswith("Ann Lee 2024 ")
        assert image.get("exif-ifd0-Artist").startswith("Ann Lee (Ann Lee, ASCII")


def test_brackets_in_a_copyright_survive(tmp_path: Path) -> None:
    data = encode(picture(), "jpeg", fields={"exif-ifd0-Artist": "Ann (studio) Lee (Berlin) ()"})
    assert b"Ann (studio) Lee (Berlin)\0" in data

    for rendition in made(data, tmp_path).pictures:
        assert b"Ann (studio) Lee (Berlin)\0" in rendition.path.read_bytes()


def test_the_same_bytes_become_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = made(encode(photo(), "jpeg"), tmp_path)

    again = made(encode(photo(), "jpeg"), tmp_path / "again")

    for one, other in zip(first.pictures, again.pictures, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize("times", [2, 3, 4, 9, 30])
def test_a_large_jpeg_comes_out_as_sharp_as_a_png(times: int, tmp_path: Path) -> None:
    # libjpeg shrinks while it decodes; done too early, that costs detail
    large, small = photo(32 * times, 24 * times), (Preset("small", 32, (PNG,)),)
    (tmp_path / "png").mkdir()

    jpeg = opened(made(encode(large, "jpeg", Q=100, subsample_mode="off"), tmp_path, small))[0]
    png = opened(made(encode(large, "png"), tmp_path / "png", small))[0]

    assert (jpeg - png).abs().avg() < 1.5
