"""
Parts of a picture: what `Range` asks for. Several parts at once are not made; who asks gets all of it.

Starlette's FileResponse knows ranges, but takes twice as long for a picture, and its errors are plain text.
"""

import re
from typing import Final

ONE_PART: Final = re.compile(
    r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))", re.ASCII
)  # Python reads 4,300 digits at most


def read_range(header: str, size: int) -> range | None:
    """Return the bytes that are asked for out of `size`, an empty range if there are none; None for all.

    What is not understood is not there (RFC 9110, 14.2).
    """
    found = ONE_PART.fullmatch(header.strip())
    if found is None:
        return None
    first, last, length = (int(number) if number else None for number in found.groups())
    if first is None:
        return range(max(0, size - (length or 0)), size)
    if last is not None and last < first:
        return None
    return range(first, size if last is None else min(last + 1, size))
