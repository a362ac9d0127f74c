"""Which bytes a rendition gets: the fewest that look good enough, and never more than the source has."""

from typing import Any

import pytest
import pyvips
from tests.pictures import encode as as_file
from tests.pictures import picture

from packshot.codecs import FULL_COLOUR, decode, encode
from packshot.encode import Encoder, Kin, Made, Target
from packshot.models import Encoding, Preset
from packshot.quality import QUALITIES

FORMATS = ("avif", "jpeg", "webp")
NONE = Kin("tiff", b"", is_same=False)


def preset(*formats: str, quality: int | None = None, **options: Any) -> Preset:  # noqa: ANN401 - Preset's own
    return Preset("any", 400, tuple(Encoding(format_, quality, 0) for format_ in formats), **options)


def made(image: pyvips.Image, wanted: Preset, source: Kin = NONE) -> Made:
    """Return the file of the only encoding."""
    return Encoder().encode(image, wanted, source)[0]


def as_source(image: pyvips.Image, format_: str, quality: int = 90) -> Kin:
    return Kin(format_, as_file(image, format_, Q=quality), is_same=True)


def shown(one: Made | Kin) -> pyvips.Image:
    return decode(one.data, one.format)


def logo() -> pyvips.Image:
    """Return thin rings in two colours, which lossy formats blur."""
    ways = pyvips.Image.xyz(160, 120)
    away = ((ways[0] - 80) ** 2 + (ways[1] - 60) ** 2) ** 0.5
    rings = ((away % 16) < 4).ifthenelse([200, 30, 30], [255, 255, 255])
    return rings.cast("uchar").copy(interpretation="srgb").copy_memory()


def cut_out() -> pyvips.Image:
    """Return a logo on nothing."""
    return logo().bandjoin((logo()[1] < 100).ifthenelse(255, 0).cast("uchar")).copy_memory()


def soft_photo(width: int = 320, height: int = 240) -> pyvips.Image:
    """Return as many colours as photos have."""
    noise = [pyvips.Image.gaussnoise(width, height, mean=0, sigma=30, seed=seed) for seed in range(3)]
    colourful = picture(width, height) + noise[0].bandjoin(noise[1:])
    return colourful.cast("uchar").gaussblur(1).copy(interpretation="srgb").copy_memory()


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("score", [60, 80])
def test_a_rendition_looks_as_good_as_its_preset_asks(format_: str, score: float) -> None:
    one = made(soft_photo(), preset(format_, score=score))

    assert one.score is not None
    assert score <= one.score + 0.5
    assert one.score == pytest.approx(Target(soft_photo(), score).score_of(shown(one)), abs=0.1)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_lower_score_takes_fewer_bytes(format_: str) -> None:
    rough, fine = (made(soft_photo(), preset(format_, score=score)) for score in (60, 90))

    assert len(rough.data) < len(fine.data)


@pytest.mark.parametrize("format_", [*FORMATS, "png"])
@pytest.mark.parametrize("image", [logo(), soft_photo()])
def test_a_fixed_quality_is_the_encoders_and_gets_no_score(format_: str, image: pyvips.Image) -> None:
    one = made(image, preset(format_, quality=100 if format_ == "png" else 70))

    assert (one.format, one.score) == (format_, None)
    assert one.quality in (70, None)


def test_a_source_that_is_kept_for_a_fixed_quality_gets_no_score_either() -> None:
    source = as_source(soft_photo(), "jpeg", 30)

    one = made(shown(source), preset("jpeg", quality=95), source)

    assert (one.quality, one.score) == (None, None)
    assert len(one.data) <= len(source.data)


@pytest.mark.parametrize(("format_", "stand_in"), [("jpeg", "png"), ("avif", "webp")])
@pytest.mark.parametrize("image", [logo(), logo()[1].copy(interpretation="b-w")], ids=["colours", "grey"])
def test_a_drawing_takes_what_loses_nothing(format_: str, stand_in: str, image: pyvips.Image) -> None:
    one = made(image, preset(format_))

    assert (one.format, one.quality) == (stand_in, None)
    assert (shown(one) - image).abs().max() == 0


@pytest.mark.parametrize("format_", ["jpeg", "avif"])
def test_unless_its_preset_wants_none(format_: str) -> None:
    assert made(logo(), preset(format_, lossless=False)).format == format_


@pytest.mark.parametrize("format_", ["jpeg", "avif"])
@pytest.mark.parametrize("size", [(320, 240), (60, 40)])
def test_a_photo_takes_no_stand_in(format_: str, size: tuple[int, int]) -> None:
    assert made(soft_photo(*size), preset(format_)).format == format_


def test_what_comes_instead_of_a_jpeg_is_white_where_the_jpeg_would_be() -> None:
    source = as_source(cut_out(), "png")

    instead_of_avif, instead_of_jpeg = Encoder().encode(cut_out(), preset("avif", "jpeg"), source)

    assert instead_of_jpeg.format == "png"
    assert (shown(instead_of_avif).bands, shown(instead_of_jpeg).bands) == (4, 3)
    assert (shown(instead_of_jpeg) - cut_out().flatten(background=255)).abs().max() <= 1


def test_a_palette_is_taken_if_no_difference_is_seen() -> None:
    steps = (pyvips.Image.xyz(160, 120)[0] / 4).floor() * 6
    drawing = steps.bandjoin([steps / 2, 255 - steps]).cast("uchar").copy(interpretation="srgb")

    small, exact = (made(drawing, preset("png", quality=quality)) for quality in (None, 100))

    assert len(small.data) < len(exact.data)
    assert (small.score or 0) >= 90
    assert (shown(exact) - drawing).abs().max() == 0


def test_and_not_for_a_photo() -> None:
    assert (shown(made(soft_photo(), preset("png"))) - soft_photo()).abs().max() == 0


@pytest.mark.parametrize("colour", [(250, 250, 250), (5, 5, 5)])
def test_what_shines_through_is_scored_on_white_and_on_black(colour: tuple[int, int, int]) -> None:
    flat = pyvips.Image.black(64, 64).new_from_image([*colour]).cast("uchar").copy(interpretation="srgb")
    half = flat.bandjoin((pyvips.Image.xyz(64, 64)[0] * 4).cast("uchar"))
    invisible = flat.bandjoin(0)

    assert Target(half, 80).score_of(half) == pytest.approx(100)
    assert Target(half, 80).score_of(invisible) < 50


@pytest.mark.parametrize("format_", [*FORMATS, "png"])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (300, 3)])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_tiny_pictures_of_every_kind_are_encoded(format_: str, size: tuple[int, int], bands: int) -> None:
    grey = picture(*size)[0].copy(interpretation="b-w")
    kinds = {1: grey, 2: grey.bandjoin(128), 3: picture(*size), 4: picture(*size).bandjoin(128)}

    image = shown(made(kinds[bands].copy_memory(), preset(format_)))

    assert (image.width, image.height) == size


@pytest.mark.parametrize(("format_", "quality"), [("jpeg", 40), ("png", 100)])
def test_a_source_that_is_smaller_is_kept_to_the_pixel(format_: str, quality: int) -> None:
    source = as_source(soft_photo(), format_, quality)

    one = made(shown(source), preset(format_, score=95), source)

    assert (one.quality, one.score) == (None, 100)
    assert len(one.data) <= len(source.data)
    assert (shown(one) - shown(source)).abs().max() == 0


def test_a_source_that_shows_something_else_is_not_kept() -> None:
    source = as_source(soft_photo(), "jpeg", 40)

    one = made(shown(source).invert(), preset("jpeg", score=95), source)

    assert one.quality is not None
    assert (shown(one) - shown(source)).abs().avg() > 20


def test_nor_is_one_that_is_not_the_same_picture() -> None:
    source = as_source(soft_photo(), "jpeg", 40)

    one = made(shown(source), preset("jpeg", score=95), Kin("jpeg", source.data, is_same=False))

    assert one.quality is not None


def test_a_source_is_kept_with_the_name_of_its_author() -> None:
    source = as_source(soft_photo(), "jpeg", 40)
    image = shown(source)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "Ann Lee ()")

    one = made(image, preset("jpeg", score=95), source)

    assert one.quality is None
    assert b"Ann Lee\0" in one.data


def test_what_two_presets_ask_for_alike_is_made_once() -> None:
    encoder, image = Encoder(), soft_photo()

    (large,) = encoder.encode(image, preset("webp"), NONE)
    (medium,) = encoder.encode(image, Preset("other", 200, preset("webp").encodings), NONE)

    assert large is medium


@pytest.mark.parametrize("other", [{"score": 60}, {"sharpen": True}, {"background": "#ffffff"}])
def test_what_they_ask_for_differently_is_made_anew(other: dict[str, Any]) -> None:
    encoder = Encoder()
    encoder.encode(soft_photo(), preset("webp"), NONE)
    inverted = soft_photo().invert().copy_memory()

    (one,) = encoder.encode(inverted, preset("webp", **other), NONE)

    assert (shown(one) - inverted).abs().avg() < 10


def vivid_print() -> pyvips.Image:
    """Return fine stripes in colours of the same lightness, over a soft photo."""
    ways = pyvips.Image.xyz(320, 240)
    stripes = ((ways[0] + ways[1]) % 3 < 1).ifthenelse([255, 0, 60], [0, 110, 255])
    return (stripes * 0.8 + soft_photo() * 0.2).cast("uchar").copy(interpretation="srgb").copy_memory()


@pytest.mark.parametrize("format_", ["avif", "jpeg"])
def test_colours_that_would_smear_are_kept_for_each_pixel(format_: str) -> None:
    wanted = preset(format_)
    one = made(vivid_print(), wanted)
    smeared = encode(vivid_print(), format_, FULL_COLOUR[format_] - 1, 0)

    assert one.score is not None
    assert one.score >= wanted.score
    assert Target(vivid_print(), 80).score_of(decode(smeared, format_)) < wanted.score


@pytest.mark.parametrize("format_", ["avif", "jpeg"])
def test_a_drawing_looks_better_than_asked_because_on_plain_areas_all_is_seen(format_: str) -> None:
    one = made(logo(), preset(format_, score=60, lossless=False))

    assert one.score is not None
    assert one.score >= 89


def test_a_photo_in_few_colours_is_no_drawing() -> None:
    palette = decode(as_file(soft_photo(), "png", palette=True), "png")

    assert Target(logo(), 80).is_drawn
    assert not Target(palette, 80).is_drawn


def test_a_picture_that_is_mostly_empty_is_not_ruined_for_its_score() -> None:
    spot = soft_photo(40, 30).embed(180, 130, 800, 600, extend="white").copy_memory()

    assert (made(spot, preset("avif", score=50, lossless=False)).quality or 0) >= QUALITIES[0]


def test_a_palette_must_reach_the_score_of_its_preset() -> None:
    one = made(logo(), preset("png", score=95))

    assert one.score is not None
    assert one.score >= 95


def test_soft_black_letters_on_white_are_a_drawing() -> None:
    letters = (logo()[1] < 100).ifthenelse(0, 255).cast("uchar").gaussblur(0.7)
    page = letters.embed(100, 100, 600, 400, extend="white").copy(interpretation="b-w").copy_memory()

    assert Target(page, 80).is_drawn


def test_a_grainy_grey_product_on_white_is_no_drawing() -> None:
    ways = pyvips.Image.xyz(400, 400)
    grain = pyvips.Image.gaussnoise(400, 400, mean=120, sigma=20, seed=3)
    inside = (ways[0] - 200) ** 2 + (ways[1] - 200) ** 2 < 120**2
    grey = inside.ifthenelse(grain, 255).cast("uchar").copy(interpretation="b-w").copy_memory()

    assert not Target(grey, 80).is_drawn
