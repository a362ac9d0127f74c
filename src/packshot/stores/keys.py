"""
What a key may look like: folders of hex digits, then a name that cannot be a way out.

Nothing from a URL or a file name ever enters a key; this is the second lock on that door.
"""

import re
from typing import Final

from packshot.errors import NotFound

KEY: Final = re.compile(r"(?:[0-9a-f]+/)+[a-z0-9][-a-z0-9_.]*")


def checked(key: str) -> str:
    """Return the key; raise NotFound for one that we would never have made."""
    if KEY.fullmatch(key) is None:
        raise NotFound(f"{key!r} is not a key of this store.")
    return key
