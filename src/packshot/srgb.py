"""
The numbers of sRGB, and how much light they stand for.

Source: IEC 61966-2-1.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

STRAIGHT: Final = 0.04045  # below it the curve is a line


def _light(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(value <= STRAIGHT, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


LIGHT: Final = _light(np.arange(256) / 255).astype(np.float32)  # 0 to 1, by the number

# The number that is nearest in numbers, by light in 65,536 steps.
NUMBERS: Final = np.searchsorted(_light((np.arange(255) + 0.5) / 255), np.arange(65_536) / 65_535).astype(
    np.uint8
)
