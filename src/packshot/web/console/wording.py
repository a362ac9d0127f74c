"""How the console writes numbers, sizes, times and what strangers have sent. Pure."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

KILO: Final = 1000
UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
EXACT_BELOW: Final = 10  # 9.4 MB, but 12 MB
AGES: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
MOMENT_SECONDS: Final = 5
SECOND_MS: Final = 1000


def count(number: float) -> str:
    """Write 1234567 as 1,234,567."""
    return f"{number:,.0f}"


def size(amount: float) -> str:
    """Write 118442 as 118 kB."""
    step = 0
    while abs(amount) >= KILO and step < len(UNITS) - 1:
        amount /= KILO
        step += 1
    digits = 1 if step and abs(amount) < EXACT_BELOW else 0
    return f"{amount:.{digits}f} {UNITS[step]}"


def share(part: float, whole: float) -> str:
    """Write a part of a whole in percent; of nothing, every part is none."""
    percent = 100 * part / whole if whole else 0
    return f"{percent:.1f} %" if 0 < abs(percent) < EXACT_BELOW else f"{percent:.0f} %"


def span(seconds: float) -> str:
    """Write how long something is, in its largest unit."""
    for length, name in AGES:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "0 seconds"


def ago(then: datetime) -> str:
    """Write how long ago, or how soon, something is."""
    seconds = (datetime.now(UTC) - then).total_seconds()
    if abs(seconds) < MOMENT_SECONDS:
        return "just now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def exact(then: datetime) -> str:
    """Write a time to the second."""
    return f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def price(amount: Decimal) -> str:
    """Write a price with two decimals, or as many as it has."""
    return max(f"{amount:.2f}", f"{amount.normalize():f}", key=len)


def milliseconds(amount: float) -> str:
    """Write how long a step took."""
    return f"{amount / SECOND_MS:.1f} s" if amount >= SECOND_MS else f"{amount:.0f} ms"


def scheme(url: str) -> str:
    """Return what a URL begins with."""
    return url.partition(":")[0] if ":" in url else ""


def plain(text: str) -> str:
    """Leave out what only steers how text is shown: a title has no element that would keep it in."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cf"))


def bars(values: Sequence[float], height: int) -> list[float]:
    """Return how high the bars of a chart are, the highest `height`."""
    highest = max(values, default=0) or 1
    return [round(value * height / highest, 1) for value in values]
