"""A file that was cut off is not whole, wherever it was cut; what follows its end does not matter."""

import struct
from time import process_time

import pytest
from tests.pictures import encode, moving, photo, picture

from packshot.formats import recognise
from packshot.wholeness import is_whole

FILES = {
    "jpeg": encode(photo(96, 64), "jpeg", fields={"exif-ifd0-Copyright": "Ann"}),
    "progressive jpeg": encode(photo(96, 64), "jpeg", interlace=True),
    "jpeg in restart intervals": encode(photo(96, 64), "jpeg", restart_interval=1),
    "png": encode(picture(), "png"),
    "interlaced png": encode(picture(), "png", interlace=True),
    "webp": encode(picture(), "webp"),
    "animated webp": moving("webp"),
    "gif": encode(picture(), "gif"),
    "interlaced gif": encode(picture(), "gif", interlace=True),
    "animated gif": moving("gif"),
    "avif": encode(picture(), "avif"),
    "transparent avif": encode(picture().bandjoin(128), "avif"),
}
every_file = pytest.mark.parametrize("file", FILES)


GIF_OF_CLEARS = (  # a frame of nothing but the code that clears all
    b"GIF89a"
    + bytes(7)
    + b"\x2c"
    + bytes(4)
    + b"\xff\x0f\xff\x0f\0\2"
    + (b"\xff" + b"\x24\x49\x92" * 85) * 40_000
    + b"\0;"
)
META = struct.pack(">I4s", 8, b"meta")


def whole(data: bytes, file: str) -> bool:
    return is_whole(recognise(FILES[file]), data)


@every_file
def test_a_good_file_is_whole(file: str) -> None:
    assert whole(FILES[file], file)


@every_file
def test_a_file_is_not_whole_wherever_it_is_cut(file: str) -> None:
    data = FILES[file]

    taken = [cut for cut in range(12, len(data)) if whole(data[:cut], file)]

    # between its boxes an AVIF may end, for all that they say; then its decoder misses the pixels
    assert len(taken) <= (1 if "avif" in file else 0)


@every_file
@pytest.mark.parametrize("more", [b"\n", b"trailing words", struct.pack(">I4s", 16, b"free") + bytes(8)])
def test_what_follows_the_end_does_not_matter(file: str, more: bytes) -> None:
    assert whole(FILES[file] + more, file)


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("gif", b"GIF89a" + bytes(7) + b"\x2c" + bytes(4) + b"\1\0\1\0\0\2" + b"\1\0" * 12_500_000),
        ("jpeg", b"\xff\xd8" + b"\xff\x01" * 12_500_000),
        ("jpeg", b"\xff\xd8" + b"\xff\xe0\0\2" * 6_250_000),
        ("png", b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"IDAT" + bytes(4)) * 2_000_000),
        ("avif", struct.pack(">I4s", 8, b"free") * 3_125_000),
        ("webp", struct.pack("<4sI4s", b"RIFF", 24_999_996, b"WEBP") + b"ANMF\0\0\0\0" * 3_124_999),
        ("gif", GIF_OF_CLEARS),
    ],
)
def test_a_file_of_nothing_but_blocks_keeps_nobody_busy(format_: str, data: bytes) -> None:
    started = process_time()

    assert not is_whole(format_, data)
    assert process_time() - started < 5  # half a second, but for what measures the tests


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIDAT",
        b"GIF89a" + bytes(7) + b"\x99",
        b"GIF89a" + bytes(4) + b"\xf7",
        struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4s", 4, b"free"),
        struct.pack(">I4sQ", 1, b"ftyp", 2**63),
    ],
)
def test_nonsense_is_not_whole(data: bytes) -> None:
    assert not is_whole({b"\x89": "png", b"G": "gif"}.get(data[:1], "avif"), data)


def test_a_stray_end_of_blocks_is_stepped_over() -> None:
    assert whole(FILES["gif"][:-1] + b"\0\0\0;", "gif")


def test_a_frame_without_a_pixel_is_no_frame() -> None:
    frame = struct.pack("<HHHH", 0, 0, 96, 64)

    for size in ((0, 64), (96, 0)):
        assert not is_whole("gif", FILES["gif"].replace(frame, struct.pack("<HHHH", 0, 0, *size)))


def test_a_gif_whose_codes_end_too_early_is_not_whole_although_it_has_its_end_mark() -> None:
    data = FILES["gif"]
    start = data.index(b"\x2c" + bytes(4)) + 11
    first_block = data[: start + 1 + data[start]]

    assert not whole(first_block + b"\0;", "gif")


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_whose_upload_was_given_up_is_not_whole(lossless: bool) -> None:  # noqa: FBT001 - pytest's own
    data = encode(photo(), "webp", lossless=lossless, keep="none")

    assert is_whole("webp", data)
    assert is_whole("webp", data[:-100] + bytes(100))  # which noise above a flat strip may well end in
    assert not is_whole("webp", data[:-5000] + bytes(5000))


def test_zeros_in_what_is_no_pixel_are_no_harm() -> None:
    data = encode(picture(), "webp", fields={"icc-profile-data": bytes(200)})

    assert is_whole("webp", data)


def test_a_last_box_without_a_length_goes_on_to_the_end() -> None:
    assert is_whole("avif", META + struct.pack(">I4s", 0, b"mdat") + b"pixels")


def test_a_box_may_be_longer_than_four_gigabytes_say() -> None:
    assert is_whole("avif", META + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234")
    assert not is_whole("avif", META + struct.pack(">I4sQ", 1, b"mdat", 21) + b"1234")


def test_a_format_without_a_rule_is_taken_to_be_whole() -> None:
    assert is_whole("tiff", b"II*\0")


def test_a_thumbnail_inside_a_jpeg_does_not_end_it() -> None:
    thumbnail = b"Exif\0\0" + FILES["jpeg"]
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail

    assert not is_whole("jpeg", b"\xff\xd8" + segment)
    assert is_whole("jpeg", b"\xff\xd8" + segment + FILES["jpeg"][2:])
