"""Access keys as texts: what they look like, and how one that was never made is told from one that was."""

import zlib

import pytest

from packshot.keys import ALPHABET, Scope, is_well_formed, make_secret


def test_a_key_says_whose_it_is() -> None:
    assert make_secret().startswith("packshot_")


def test_no_two_keys_are_the_same() -> None:
    assert len({make_secret() for _ in range(100)}) == 100


def test_a_key_ends_with_a_checksum_that_anybody_can_work_out() -> None:
    secret = make_secret()
    number = 0
    for digit in secret[-6:]:
        number = number * 62 + ALPHABET.index(digit)

    assert number == zlib.crc32(secret[:-6].encode())


def test_what_we_make_is_well_formed() -> None:
    assert all(is_well_formed(make_secret()) for _ in range(100))


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: key[:20] + ("a" if key[20] != "a" else "b") + key[21:],
        lambda key: key.removeprefix("packshot_"),
        lambda key: "ghp_" + key[4:],
        lambda key: key[:-1] + "ü",
        lambda key: "\ud800" + key[1:],
        lambda _: "",
    ],
)
def test_what_was_never_a_key_is_known_without_asking(change: object) -> None:
    assert callable(change)

    assert not is_well_formed(change(make_secret()))


def test_each_scope_includes_those_before_it() -> None:
    assert [(have, need) for have in Scope for need in Scope if have.covers(need)] == [
        ("read", "read"),
        ("write", "read"),
        ("write", "write"),
        ("admin", "read"),
        ("admin", "write"),
        ("admin", "admin"),
    ]
