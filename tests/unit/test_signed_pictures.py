"""Signed addresses of pictures: what opens with them, and what does not."""

import pytest

from packshot.web.pictures import Pictures, is_picture

PATH = "/images/7/large.avif"
SECRET = "correct horse battery staple, twice over"  # noqa: S105 - the tests' own
DAY = 86_400


class Clock:
    now = 20_000 * DAY + 3600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pictures(clock: Clock) -> Pictures:
    return Pictures(SECRET, DAY, clock)


def shows(pictures: Pictures, address: str) -> bool:
    path, _, query = address.partition("?")
    return pictures.shows(path, query)


@pytest.mark.parametrize("path", [PATH, f"{PATH}?v=1f0c9a3e", "/images/7/large"])
def test_a_signed_address_opens_its_picture(pictures: Pictures, path: str) -> None:
    address = pictures.address(path)

    assert address.startswith(path)
    assert shows(pictures, address)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/7/", "/8/"),
        ("large", "small"),
        (".avif", ".jpg"),
        ("1f0c9a3e", "00000000"),
        ("v=1f0c9a3e&", ""),
        ("v=1f0c9a3e", "v=1f0c9a3e&v=1f0c9a3e"),
        ("expires=", "expires=9"),
        ("expires=", "expires=0"),
        ("expires=", "end="),
        ("expires=", "expires=\u0663"),
        ("expires=", "expires=" + "9" * 5000),
        ("signature=", "signature=A"),
        ("signature=", "signature=\u00e9"),
        ("signature=", "s="),
    ],
)
def test_an_address_cannot_be_made_into_another(pictures: Pictures, old: str, new: str) -> None:
    address = pictures.address(f"{PATH}?v=1f0c9a3e")
    assert old in address

    assert not shows(pictures, address.replace(old, new, 1))


def test_another_secret_signs_otherwise(pictures: Pictures, clock: Clock) -> None:
    assert not shows(Pictures(SECRET[::-1], DAY, clock), pictures.address(PATH))


def test_an_address_works_for_one_period_to_two(pictures: Pictures, clock: Clock) -> None:
    address = pictures.address(PATH)

    clock.now += DAY
    assert shows(pictures, address)
    clock.now += DAY
    assert not shows(pictures, address)


def test_within_a_period_the_address_stays_the_same(pictures: Pictures, clock: Clock) -> None:
    address, edition = pictures.address(PATH), pictures.edition

    clock.now += DAY - 3601
    assert (pictures.address(PATH), pictures.edition) == (address, edition)
    clock.now += 1
    assert pictures.address(PATH) != address
    assert pictures.edition != edition


def test_a_new_secret_is_a_new_edition(pictures: Pictures, clock: Clock) -> None:
    assert Pictures(SECRET[::-1], DAY, clock).edition != pictures.edition


@pytest.mark.parametrize(
    ("said", "kept"), [("public, max-age=31536000, immutable", 2 * DAY - 3600), ("public, max-age=300", 300)]
)
def test_a_signed_picture_is_kept_by_its_viewer_and_not_beyond_its_end(
    pictures: Pictures, said: str, kept: int
) -> None:
    query = pictures.address(PATH).partition("?")[2]

    assert pictures.kept({"Cache-Control": said}, query) == {"Cache-Control": f"private, max-age={kept}"}


def test_a_signature_in_disguise_keeps_no_picture_beyond_its_end(pictures: Pictures, clock: Clock) -> None:
    query = pictures.address(PATH).partition("?")[2].replace("signature", "%73ignature")
    clock.now += 2 * DAY - 3600 - 10

    assert pictures.shows(PATH, query)
    assert pictures.kept({"Cache-Control": "public, max-age=300"}, query) == {
        "Cache-Control": "private, max-age=10"
    }


def test_without_a_secret_everything_is_as_it_was() -> None:
    pictures = Pictures()

    assert pictures.address(PATH) == PATH
    assert pictures.shows(PATH, "")
    assert pictures.kept({"Cache-Control": "public"}, "") == {"Cache-Control": "public"}
    assert pictures.edition == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/images/7/large", True),
        ("/images/7/retry", True),
        ("/images/7/markup", False),
        ("/images/7", False),
        ("/images/7/", False),
        ("/images/7/large/more", False),
        ("/products/7/large", False),
        ("//images/7/large", False),
    ],
)
def test_only_pictures_are_pictures(path: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_picture(path) is expected
