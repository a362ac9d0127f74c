"""What a file is, by its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.errors import FormatUnsupported, NotAnImage
from packshot.formats import ACCEPTED, HEAD_BYTES, OTHERS, PICTURES, UNKNOWN, accepted_format, recognise


def ftyp(major: str, *compatible: str) -> bytes:
    brands = "".join(compatible).encode()
    return (16 + len(brands)).to_bytes(4, "big") + b"ftyp" + major.encode() + b"\0\0\0\0" + brands


HEADS = [
    ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ("jpeg", b"\xff\xd8\xff\xe1\0\x10Exif"),
    ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("gif", b"GIF87a\1\0"),
    ("gif", b"GIF89a\1\0"),
    ("avif", ftyp("avif", "mif1", "miaf")),
    ("avif", ftyp("avis", "avif", "msf1")),
    ("avif", ftyp("mif1", "avif", "miaf")),
    ("heic", ftyp("heic", "mif1", "heic")),
    ("heic", ftyp("heix")),
    ("heic", ftyp("mif1", "heic")),
    ("heic", ftyp("msf1", "hevc")),
    ("heic", ftyp("mif1") + b"avif"),  # behind the list of brands
    ("tiff", b"II*\0\x08\0\0\0"),
    ("tiff", b"MM\0*\0\0\0\x08"),
    ("tiff", b"II+\0\x08\0\0\0"),
    ("bmp", b"BM\x46\0\0\0\0\0\0\0\x36"),
    ("ico", b"\0\0\1\0\1\0\x10\x10"),
    ("jxl", b"\xff\x0a\xfa\x1f"),
    ("jxl", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("jpeg2000", b"\xff\x4f\xff\x51\0"),
    ("psd", b"8BPS\0\1"),
    ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'>"),
    ("svg", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <html> --><!DOCTYPE svg PUBLIC 'x'>\n<svg>"),
    ("svg", b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>"),
    ("pdf", b"%PDF-1.7\n"),
    ("html", b"<!DOCTYPE html><html><body><svg></svg>"),
    ("html", b"\r\n  <HTML><head>"),
    ("html", b"<!doctype html><svg></svg>"),
    ("html", b"<!-- hello --><div>Please log in</div>"),
    ("html", b"<?xml version='1.0'?><!DOCTYPE HTML PUBLIC 'x'><HTML>"),
    ("html", b"<!-- a comment without an end <svg>"),
    ("xml", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    ("json", b'{"error": "not found"}'),
    ("json", b"[]"),
    ("text", b"Not Found"),
    ("text", "Größe".encode("latin-1")),
    ("text", b"BM and other letters"),
    ("mp4", ftyp("isom", "iso2", "mp41")),
    ("mp4", ftyp("qt  ")),
    ("webm", b"\x1a\x45\xdf\xa3\x01"),
    ("avi", b"RIFF\x24\0\0\0AVI LIST"),
    ("zip", b"PK\3\4\x14\0"),
    ("zip", b"PK\5\6\0\0"),
    ("gzip", b"\x1f\x8b\x08\0"),
    (UNKNOWN, b""),
    (UNKNOWN, b"\x89PNG\r\n\x1a"),
    (UNKNOWN, b"RIFF\x24\0\0\0WAVE"),
    (UNKNOWN, b"\0\1\2\3"),
]


@pytest.mark.parametrize(("name", "head"), HEADS)
def test_a_file_is_recognised_by_its_first_bytes(name: str, head: bytes) -> None:
    assert recognise(head) == name


def test_every_format_we_can_name_has_an_example_here() -> None:
    assert {name for name, _ in HEADS} == {*ACCEPTED, *PICTURES, *OTHERS, UNKNOWN}


@pytest.mark.parametrize(("name", "head"), [(name, head) for name, head in HEADS if name in ACCEPTED])
def test_pictures_that_we_take_pass(name: str, head: bytes) -> None:
    assert accepted_format(head) == name


@pytest.mark.parametrize("head", [head for name, head in HEADS if name in PICTURES])
def test_other_pictures_are_refused_with_what_to_send_instead(head: bytes) -> None:
    with pytest.raises(FormatUnsupported, match=r"^This is an? .*; send JPEG, PNG, WebP, GIF or AVIF\.$"):
        accepted_format(head)


@pytest.mark.parametrize(("name", "head"), [(name, head) for name, head in HEADS if name in ("tiff", "svg")])
def test_a_format_that_is_switched_on_is_taken(name: str, head: bytes) -> None:
    assert accepted_format(head, extra=("tiff", "svg")) == name


@pytest.mark.parametrize(
    ("head", "sent"),
    [
        (b"<!doctype html>", r"a web page \(HTML\)"),
        (ftyp("isom"), r"a video \(MP4\)"),
        (b"", "an empty file"),
        (b"\0\1\2\3" * 4, r"bytes that no picture begins with \(00 01 02 03 00 01 02 03\)"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_it_is(head: bytes, sent: str) -> None:
    with pytest.raises(NotAnImage, match=f"^The server sent {sent} instead of a picture.$"):
        accepted_format(head)


@given(
    st.binary(max_size=64)
    | st.sampled_from([head for _, head in HEADS]).flatmap(
        lambda head: st.integers(0, len(head)).map(lambda end: head[:end])
    )
)
def test_no_bytes_break_the_recognition(head: bytes) -> None:
    assert recognise(head) in {*ACCEPTED, *PICTURES, *OTHERS, UNKNOWN}


@pytest.mark.parametrize("unit", [b"<!--", b"<?", b"<", b"<!doctype ", b" "])
@pytest.mark.timeout(2)
def test_hostile_markup_takes_no_time(unit: bytes) -> None:
    for _ in range(100):
        recognise(b"<" + unit * (HEAD_BYTES // len(unit)))
