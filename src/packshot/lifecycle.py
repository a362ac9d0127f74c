"""
The life of an image: its states, its moves, and the decision after a failure. Pure.

                 claim                    finish
      pending ──────────▶ processing ──────────────▶ ready
         ▲  ▲                 │  │
         │  └ retry, release ─┘  └── give_up ──▶ failed
         └──────────────────── requeue ────────────┘

`attempt` is counted at the claim, so it is the fence: a late worker's attempt no longer matches.
It never goes down. What must not cost an attempt raises `max_attempts` instead.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packshot.errors import ImageError, PackshotError, ServiceUnavailable, SourceBusy

MAX_LOSSES: Final = 3  # workers lost with the same image in hand before it counts as poison

LONGEST_RELEASE_SECONDS: Final = 30  # what is ours is mended soon, and then nobody should wait long


class ImageState(StrEnum):
    """What an image is now. A product's state uses the same words."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


ENDED: Final = (ImageState.READY, ImageState.FAILED)


MOVES: Final[Mapping[str, tuple[ImageState, ImageState]]] = {
    "claim": (ImageState.PENDING, ImageState.PROCESSING),
    "finish": (ImageState.PROCESSING, ImageState.READY),
    "retry": (ImageState.PROCESSING, ImageState.PENDING),
    "release": (ImageState.PROCESSING, ImageState.PENDING),
    "give_up": (ImageState.PROCESSING, ImageState.FAILED),
    "requeue": (ImageState.FAILED, ImageState.PENDING),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient we are: waits double from `base_seconds` up to `max_seconds`, for `max_attempts`."""

    base_seconds: float = 5
    max_seconds: float = 3600
    max_attempts: int = 5

    def delay_after(self, attempt: int) -> float:
        """Return the seconds to wait after failed attempt number `attempt` (the first is 1).

        Exponential backoff with equal jitter: half is certain, half is chance, so that a thousand
        images of one broken host do not come back in the same second.
        """
        doublings = min(attempt - 1, 32)  # 2**1024 does not fit a float
        longest = min(self.base_seconds * 2.0**doublings, self.max_seconds)
        return longest / 2 + random.uniform(0, longest / 2)  # noqa: S311 - spreads load, hides nothing


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_seconds`; the attempt counts."""

    delay_seconds: float
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give the image back and try again after `delay_seconds`; the attempt does not count."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The image has failed, until a person asks for another try."""

    code: str
    message: str


def judge(
    error: PackshotError, attempt: int, max_attempts: int, policy: RetryPolicy
) -> Retry | Release | GiveUp:
    """Decide what follows the failure of attempt number `attempt` (the first is 1).

    Raises TypeError for an error that no image can end with; that is a bug.
    """
    match error:
        case ServiceUnavailable():
            return Release(min(policy.delay_after(attempt), LONGEST_RELEASE_SECONDS))
        case SourceBusy():
            return Release(error.retry_after_seconds)
        case ImageError(transient=True) if attempt < max_attempts:
            asked = min(error.retry_after_seconds or 0, policy.max_seconds)
            left = max_attempts - attempt  # those that were released have made both greater
            backoff = policy.delay_after(max(1, policy.max_attempts - left))
            return Retry(max(asked, backoff), error.code, str(error))
        case ImageError():
            return GiveUp(error.code, str(error))
    raise TypeError(f"{type(error).__name__} says nothing about an image") from error


@dataclass(frozen=True, slots=True)
class Reorder:
    """How a product's images follow an edit: who stays where, who goes, what is new."""

    kept: Mapping[int, int]  # new position -> image_id
    removed: tuple[int, ...]  # image ids
    added: Mapping[int, str]  # new position -> url


def reorder(images: list[tuple[int, str]], urls: list[str]) -> Reorder:
    """Match `images` (image_id, url, the oldest first) with the wanted `urls`.

    An image whose URL stays keeps its row. When a URL stands twice, the older image stands first, so
    that copies keep their order.
    """
    spare: dict[str, list[int]] = {}
    for image_id, url in images:
        spare.setdefault(url, []).append(image_id)
    kept: dict[int, int] = {}
    added: dict[int, str] = {}
    for position, url in enumerate(urls):
        if spare.get(url):
            kept[position] = spare[url].pop(0)
        else:
            added[position] = url
    removed = tuple(image_id for left in spare.values() for image_id in left)
    return Reorder(kept, removed, added)
