"""The nouns: plain values that the modules hand to each other. No behaviour beyond reading them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

LARGEST_BIGINT: Final = 2**63 - 1  # of PostgreSQL
MOVING: Final = ("webp",)  # formats in which we can write an animation


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one format of a preset is written. `effort` is the encoder's own scale (AVIF: 0 to 9).

    `quality` is the encoder's, too; None takes the least that reaches the preset's score.
    """

    format: str
    quality: int | None
    effort: int


@dataclass(frozen=True, slots=True)
class Preset:
    """A named size: `pixels` is the longer side of the picture, or of the box it is fitted into.

    `fit` and `aspect` (width to height) are explained in `geometry.py`. `score` is the SSIMULACRA2 to reach.
    `background` is a colour as `#rrggbb` for what `fit = "pad"` adds, None the picture's own. `trim` takes
    plain borders away first; `sharpen` goes over what has become much smaller; `lossless` allows a stand-in
    that loses nothing where it is smaller. An animation stays one in the formats that can move (WebP) if the
    preset is `animated`, and else is its first frame.
    """

    name: str
    pixels: int
    encodings: tuple[Encoding, ...]
    score: float = 80
    fit: str = "inside"
    aspect: tuple[int, int] = (1, 1)
    background: str | None = None
    trim: bool = False
    sharpen: bool = False
    lossless: bool = True
    animated: bool = False


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What a picture's header may say: its pixels in all, the longer side, the frames of an animation."""

    pixels: int
    side: int
    frames: int


@dataclass(frozen=True, slots=True)
class Hint:
    """What a message says: look at this image now. `product_id` is null for a stand-alone image."""

    product_id: int | None
    image_id: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's right to one attempt at one image; (image_id, attempt) is the fence.

    `request_id` and `traceparent` say which request wanted it, if one did.
    """

    image_id: int
    attempt: int
    max_attempts: int
    product_id: int | None
    source_url: str
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The downloaded file: its hash as 64 hex digits, its size, its format by content."""

    sha256: str
    bytes: int
    format: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a shop may want to know of a picture before it is shown.

    `colour` is the one that most of it has, as `#rrggbb`; `placeholder` a ThumbHash, in base64;
    `whiteness` how white its edges are, 0 to 1, which is what marketplaces ask of a background;
    `sharpness` 0 to 1: photos have 0.15 to 0.6, and a third of that once blurred by a pixel, or enlarged.
    """

    colour: str
    placeholder: str
    has_transparency: bool
    whiteness: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One rendition as the decoder left it: a file in the job's folder.

    `quality` is the encoder's, None for a PNG or where nothing was lost; `score` is the SSIMULACRA2 reached,
    None where it was not measured.
    """

    preset: str
    format: str
    width: int
    height: int
    bytes: int
    path: Path
    quality: int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Compressed:
    """What the decoder made of a source; width and height are the source's, upright, in pixels."""

    width: int
    height: int
    pictures: tuple[Picture, ...]
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture in the store, shared by every image with the same source and recipe."""

    recipe: str
    preset: str
    format: str
    key: str
    width: int
    height: int
    bytes: int
    quality: int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """All renditions of one source, in the order of the presets; the first is the main one."""

    width: int
    height: int
    renditions: tuple[Rendition, ...]
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as a store lists it; `key` may be a name that is no key of ours."""

    key: str
    bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it is submitted; the price is exact."""

    user_id: int
    product_name: str
    product_description: str
    product_images: tuple[str, ...]
    product_price: Decimal


@dataclass(frozen=True, slots=True)
class Worker:
    """One process; the id is new at every start. `slots` is how many images it keeps in hand."""

    worker_id: UUID
    host: str
    pid: int
    slots: int
