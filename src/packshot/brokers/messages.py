"""
What a message looks like on its way: JSON with a version, the product and the image.

    {"version": 1, "product_id": 42, "image_id": 1017}

Members that are added later are ignored; whoever changes the meaning of one raises the version.
"""

import json
from typing import Final, TypeGuard

from packshot.models import LARGEST_BIGINT, Hint

VERSION: Final = 1


class MessageUnreadable(Exception):
    """Not a message of ours, or of a version that this program does not know."""


def encode(hint: Hint) -> bytes:
    """Return the message for a hint."""
    message = {"version": VERSION, "product_id": hint.product_id, "image_id": hint.image_id}
    return json.dumps(message, separators=(",", ":")).encode()


def decode(body: bytes) -> Hint:
    """Return the hint in a message; raise MessageUnreadable."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageUnreadable(f"not JSON: {body[:100]!r}") from error
    if not isinstance(message, dict) or not _is_ours(message.get("version")):
        raise MessageUnreadable(f"not a message of version {VERSION}: {body[:100]!r}")
    product_id, image_id = message.get("product_id"), message.get("image_id")
    if _is_id(image_id) and (product_id is None or _is_id(product_id)):
        return Hint(product_id, image_id)
    raise MessageUnreadable(f"without the id of an image: {body[:100]!r}")


def _is_ours(version: object) -> bool:
    return type(version) is int and version == VERSION


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= LARGEST_BIGINT
