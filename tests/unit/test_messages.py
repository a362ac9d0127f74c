"""What a message looks like, and what is no message: anybody who reaches the broker can send anything."""

import json

import pytest

from packshot.brokers.messages import MessageUnreadable, decode, encode
from packshot.models import LARGEST_BIGINT, Hint


def a_message(**members: object) -> bytes:
    return json.dumps({"version": 1, "product_id": 42, "image_id": 1017, **members}).encode()


@pytest.mark.parametrize("hint", [Hint(42, 1017), Hint(None, 1), Hint(LARGEST_BIGINT, LARGEST_BIGINT)])
def test_what_is_encoded_is_decoded(hint: Hint) -> None:
    assert decode(encode(hint)) == hint


def test_a_message_is_what_the_documents_say() -> None:
    assert json.loads(encode(Hint(42, 1017))) == {"version": 1, "product_id": 42, "image_id": 1017}


def test_members_of_a_later_program_are_ignored() -> None:
    assert decode(a_message(priority="high", image={"id": 3})) == Hint(42, 1017)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_is_not_guessed_at(version: object) -> None:
    with pytest.raises(MessageUnreadable, match="version 1"):
        decode(a_message(version=version))


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"\xff\xfe", b"{", b'{"version":1', b"[" * 100_000, b"9" * 5000]
)
def test_what_is_not_json_is_no_message(body: bytes) -> None:
    with pytest.raises(MessageUnreadable, match="not JSON"):
        decode(body)


@pytest.mark.parametrize("body", [b"null", b"1", b'"version"', b"[]", b"[1, 42, 1017]", b"{}"])
def test_json_that_says_something_else_is_no_message(body: bytes) -> None:
    with pytest.raises(MessageUnreadable, match="version 1"):
        decode(body)


@pytest.mark.parametrize("image_id", [None, True, 0, -1, LARGEST_BIGINT + 1, 1.0, "1", [1]])
def test_a_message_names_an_image_that_can_exist(image_id: object) -> None:
    with pytest.raises(MessageUnreadable, match="id of an image"):
        decode(a_message(image_id=image_id))


@pytest.mark.parametrize("product_id", [True, 0, -1, LARGEST_BIGINT + 1, 1.0, "1", []])
def test_a_message_names_no_product_or_one_that_can_exist(product_id: object) -> None:
    with pytest.raises(MessageUnreadable):
        decode(a_message(product_id=product_id))


def test_a_message_without_an_image_is_none() -> None:
    with pytest.raises(MessageUnreadable, match="id of an image"):
        decode(b'{"version": 1, "product_id": 42}')


def test_the_report_of_an_endless_message_is_short() -> None:
    with pytest.raises(MessageUnreadable) as caught:
        decode(b"x" * 1_000_000)

    assert len(str(caught.value)) < 200
