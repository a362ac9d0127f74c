"""
What happens to files on their way, and what somebody could do to them on purpose.

Each mutation takes a file and a source of chance, and returns another file. The same seed gives the
same files, so that every finding can be made again.
"""

import zlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

Mutation = Callable[[bytes, Random], bytes]

INTERESTING: Final = (b"\0", b"\x7f", b"\x80", b"\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff")
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES: Final = 128
MOST_BYTES_MOVED: Final = 512
MOST_CHANGES: Final = 16


def cut(data: bytes, chance: Random) -> bytes:
    """Lose the end."""
    return data[: chance.randrange(len(data))]


def flip(data: bytes, chance: Random) -> bytes:
    """Turn some bits round."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, MOST_CHANGES)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_header(data: bytes, chance: Random) -> bytes:
    """Turn bits round where sizes and lengths stand."""
    end = min(HEADER_BYTES, len(data))
    return flip(data[:end], chance) + data[end:]


def overwrite(data: bytes, chance: Random) -> bytes:
    """Put an extreme number somewhere."""
    value, at = chance.choice(INTERESTING), chance.randrange(len(data))
    return data[:at] + value + data[at + len(value) :]


def lose(data: bytes, chance: Random) -> bytes:
    """Lose a piece in the middle."""
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randint(1, MOST_BYTES_MOVED) :]


def double(data: bytes, chance: Random) -> bytes:
    """Say a piece twice."""
    at, length = chance.randrange(len(data)), chance.randint(1, MOST_BYTES_MOVED)
    return data[: at + length] + data[at:]


def insert(data: bytes, chance: Random) -> bytes:
    """Put noise in between."""
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randint(1, MOST_BYTES_MOVED)) + data[at:]


def swap(data: bytes, chance: Random) -> bytes:
    """Exchange two neighbouring pieces."""
    one, two, three = sorted(chance.randrange(len(data)) for _ in range(3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def forge(data: bytes, chance: Random) -> bytes:
    """Change a PNG's chunk and correct its checksum, so that the lie is found late; flip other files."""
    if not data.startswith(PNG_SIGNATURE):
        return flip(data, chance)
    chunks = list(_chunks(data))
    place = chance.randrange(len(chunks))
    kind, body = chunks[place]
    chunks[place] = (kind, flip(body, chance) if body else chance.randbytes(8))
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with a length and a checksum that are right."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG_SIGNATURE)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


MUTATIONS: Final[Mapping[str, Mutation]] = {
    mutation.__name__: mutation
    for mutation in (cut, flip, flip_header, overwrite, lose, double, insert, swap, forge)
}
