"""
How many pixels the codes of a GIF stand for, without looking at one.

The decoder leaves the rest of a frame black when its codes end too early, and says nothing. A code stands
for a string of pixels, and only the length of each string is needed here. Pure.

Source: GIF89a (CompuServe), appendix F.
"""

from collections.abc import Iterable
from typing import Final

MOST_BITS: Final = 12
CODE_SIZES: Final = range(1, 12)  # that a GIF may begin with
NOTHING: Final = -1  # what a code without a meaning stands for


def count(codes: Iterable[int], code_size: int, wanted: int) -> int:
    """Return the pixels in `codes` (bytes), or `wanted` if there are that many or more.

    A code that means nothing, the end, or clearing twice in a row ends the count. Takes up to a second for a
    megabyte.
    """
    if code_size not in CODE_SIZES:
        return 0
    strings = Strings(code_size)
    pixels = bits = held = 0
    for byte in codes:
        bits |= byte << held
        held += 8
        while held >= strings.width:
            width = strings.width
            length = strings.read(bits & ((1 << width) - 1))
            bits >>= width
            held -= width
            pixels += max(length, 0)
            if length == NOTHING or pixels >= wanted:
                return min(pixels, wanted)
    return pixels


class Strings:
    """The lengths of the strings that have a code by now; `width` is how many bits the next code has."""

    def __init__(self, code_size: int) -> None:
        self._code_size = code_size
        self._clear = 1 << code_size
        self._forget()
        self._has_just_forgotten = False

    def _forget(self) -> None:
        self.width = self._code_size + 1
        self._lengths: list[int] = []
        self._last = 0
        self._has_just_forgotten = True

    def read(self, code: int) -> int:
        """Return the length of the code's string; 0 for the code that clears all, or NOTHING."""
        if code == self._clear:
            is_again = self._has_just_forgotten
            self._forget()
            return NOTHING if is_again else 0
        self._has_just_forgotten = False
        length = 1 if code < self._clear else self._look_up(code - self._clear - 2)
        self._learn()
        self._last = length
        return length

    def _look_up(self, place: int) -> int:
        if 0 <= place < len(self._lengths):
            return self._lengths[place]
        is_being_named = place == len(self._lengths) and self._last
        return self._last + 1 if is_being_named else NOTHING

    def _learn(self) -> None:
        """Name the last string with one more pixel."""
        named = len(self._lengths) + self._clear + 2
        if not self._last or named == 1 << MOST_BITS:
            return
        self._lengths.append(self._last + 1)
        if named + 1 == 1 << self.width and self.width < MOST_BITS:
            self.width += 1
