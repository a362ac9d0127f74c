"""
The numbers of sRGB, and how much light they stand for.

Source: IEC 61966-2-1.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

STRAIGHT: Final = 0.04045  # below it the curve is a line

_NUMBERS: Final = np.arange(256) / 255

LIGHT: Final[npt.NDArray[np.float32]] = np.where(  # 0 to 1, by the number
    _NUMBERS <= STRAIGHT, _NUMBERS / 12.92, ((_NUMBERS + 0.055) / 1.055) ** 2.4
).astype(np.float32)
