"""The shapes of answers. They are what OpenAPI shows, so each field says what it is."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, PlainSerializer

from packshot.database import Row
from packshot.errors import CATALOGUE, FixedBy
from packshot.lifecycle import ImageState
from packshot.stores import Store
from packshot.web.bodies import State
from packshot.web.choice import Rendition, path_of
from packshot.web.pictures import Pictures

OURS: Final = Pictures()  # for who needs no signature: the console has a key, the command line a person
LOCATION: Final[dict[str, Any]] = {
    "headers": {"Location": {"description": "Where it can be read.", "schema": {"type": "string"}}}
}

# Never 1E+11, which is how PostgreSQL's numbers may arrive.
ExactPrice = Annotated[
    Decimal, PlainSerializer(lambda price: f"{price:f}", return_type=str), Field(examples=["119.90"])
]


class UserView(BaseModel):
    """A user."""

    id: int
    name: str
    mobile: str | None
    latitude: float | None
    longitude: float | None
    created_at: datetime
    updated_at: datetime


class RenditionView(BaseModel):
    """A picture we made: `path` is where it is stored, `url` where it is served while it is this one.

    `quality` is the encoder's, null for a PNG or where nothing was lost; `score` how near it comes to the
    picture before it was encoded, by SSIMULACRA2 (90: nobody sees a difference), null where not measured.
    """

    preset: str
    format: str
    width: int
    height: int
    bytes: int
    quality: int | None
    score: float | None
    path: str
    url: str


class FactsView(BaseModel):
    """What is known of a picture besides its size.

    `colour`: the one that most of it has, `#rrggbb`. `placeholder`: a ThumbHash, in base64. `whiteness`: how
    white its edges are, 0 to 1, where transparent is white. `sharpness`: 0 to 1; photos have 0.15 to 0.6, and
    a third of that once blurred by a pixel, or enlarged.
    """

    colour: str = Field(examples=["#e1dcd4"])
    placeholder: str = Field(examples=["MggKDYKUd4efh4dld1iIi2lgmAeW"])
    has_transparency: bool
    whiteness: float
    sharpness: float


class SourceView(BaseModel):
    """The file as it was downloaded; once it was decoded, its size, upright, in pixels, and its facts."""

    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None
    facts: FactsView | None


class ErrorView(BaseModel):
    """Why the last attempt failed, and who can fix it. `retry_at` is null when there is no next one."""

    code: str
    message: str
    transient: bool
    fixed_by: FixedBy
    retry_at: datetime | None


class ImageView(BaseModel):
    """One picture of a product, or a stand-alone one."""

    id: int
    product_id: int | None
    position: int | None
    source_url: str
    url: str
    state: State
    attempt: int
    max_attempts: int
    error: ErrorView | None
    source: SourceView | None
    renditions: list[RenditionView]
    timings: dict[str, float]
    created_at: datetime
    updated_at: datetime


class ProductView(BaseModel):
    """A product: the row's columns, the state that follows from its images, and the images in order."""

    product_id: int
    user_id: int
    product_name: str
    product_description: str
    product_images: list[str]
    product_price: ExactPrice
    compressed_product_images: list[str | None]
    created_at: datetime
    updated_at: datetime
    state: State
    images: list[ImageView]


class ProductPage(BaseModel):
    """Products, newest first. Ask again with `cursor=next_cursor`; null means that was the last page."""

    products: list[ProductView]
    next_cursor: str | None


def view_product(row: Row, store: Store, pictures: Pictures = OURS) -> ProductView:
    """Shape a product's row with its images."""
    return ProductView(**{**row, "images": [view_image(image, store, pictures) for image in row["images"]]})


def view_image(row: Row, store: Store, pictures: Pictures = OURS) -> ImageView:
    """Shape an image's row with its renditions, whose addresses `pictures` signs if it has to."""
    return ImageView(
        **{
            **row,
            "id": row["image_id"],
            "url": f"/images/{row['image_id']}",
            "error": _view_error(row),
            "source": _view_source(row),
            "renditions": [
                _view_rendition(row["image_id"], one, store, pictures) for one in row["renditions"]
            ],
        }
    )


def _view_source(row: Row) -> SourceView | None:
    if row["source_sha256"] is None:
        return None
    # a source that is not decoded yet may be another one than the facts are of
    facts = row["facts"] if row["source_width"] else {}
    return SourceView(
        sha256=row["source_sha256"],
        bytes=row["source_bytes"],
        format=row["source_format"],
        width=row["source_width"],
        height=row["source_height"],
        facts=FactsView(**facts) if facts else None,
    )


def _view_error(row: Row) -> ErrorView | None:
    if row["error_code"] is None:
        return None
    kind = CATALOGUE[row["error_code"]]
    return ErrorView(
        code=kind.code,
        message=row["error_message"],
        transient=kind.transient,
        fixed_by=kind.fixed_by,
        retry_at=row["due_at"] if row["state"] == ImageState.PENDING else None,
    )


def _view_rendition(image_id: int, rendition: Rendition, store: Store, pictures: Pictures) -> RenditionView:
    location = store.location(rendition["key"])
    return RenditionView(**rendition, path=location, url=pictures.address(path_of(image_id, rendition)))
