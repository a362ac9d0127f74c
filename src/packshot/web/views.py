"""The shapes of requests and answers. They are what OpenAPI shows, so each field says what it is."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from packshot.addresses import check_url
from packshot.database import Row
from packshot.errors import CATALOGUE, FixedBy, UrlInvalid
from packshot.lifecycle import ImageState
from packshot.presets import FORMATS
from packshot.products import MAX_IMAGES
from packshot.stores import Store

SUFFIXES = {name: f".{form.suffix}" for name, form in FORMATS.items()}
LARGEST_INT = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and UTF-8 no lone surrogate."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("contains a character that cannot be stored (NUL or half a surrogate pair)")
    return text


def _fetchable(url: str) -> str:
    try:
        check_url(_storable(url))
    except UrlInvalid as error:
        raise ValueError(str(error)) from error
    return url


Text = Annotated[str, AfterValidator(_storable)]
Url = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_fetchable)]
UserId = Annotated[int, Field(ge=1, le=LARGEST_INT, strict=True)]
ProductId = Annotated[int, Field(ge=1, le=LARGEST_INT, strict=True)]
ProductName = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_storable)]
ProductDescription = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
ProductImages = Annotated[list[Url], Field(max_length=MAX_IMAGES)]
Price = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=4, allow_inf_nan=False)]
State = Literal["pending", "processing", "ready", "failed"]


class Request(BaseModel):
    """A body; a field that we do not know is more likely a typing error than a wish."""

    model_config = ConfigDict(extra="forbid")


class NewUser(Request):
    """Whom products belong to."""

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
    mobile: Annotated[str, Field(max_length=32), AfterValidator(_storable)] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None


class NewProduct(Request):
    """A product and the URLs of its pictures."""

    user_id: UserId
    product_name: ProductName
    product_description: ProductDescription = ""
    product_images: ProductImages
    product_price: Price


class ProductChanges(Request):
    """The fields to change; images whose URL stays keep their result."""

    user_id: UserId = Field(default=None)
    product_name: ProductName = Field(default=None)
    product_description: ProductDescription = Field(default=None)
    product_images: ProductImages = Field(default=None)
    product_price: Price = Field(default=None)


class NewImage(Request):
    """One URL, alone or to be added at the end of a product."""

    image_url: Url
    product_id: ProductId | None = None


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
    """A picture we made: `path` is where it is stored, `url` where it is served."""

    preset: str
    format: str
    width: int
    height: int
    bytes: int
    path: str
    url: str


class SourceView(BaseModel):
    """The file as it was downloaded; its size is upright, in pixels, once it was decoded."""

    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None


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
    product_price: Decimal
    compressed_product_images: list[str | None]
    created_at: datetime
    updated_at: datetime
    state: State
    images: list[ImageView]


class ProductPage(BaseModel):
    """Products, newest first. Ask again with `cursor=next_cursor`; null means that was the last page."""

    products: list[ProductView]
    next_cursor: str | None


def view_product(row: Row, store: Store) -> ProductView:
    """Shape a product's row with its images."""
    return ProductView(**{**row, "images": [view_image(image, store) for image in row["images"]]})


def view_image(row: Row, store: Store) -> ImageView:
    """Shape an image's row with its renditions."""
    url = f"/images/{row['image_id']}"
    source = {name.removeprefix("source_"): value for name, value in row.items() if name.startswith("source_")}
    return ImageView(
        **{
            **row,
            "id": row["image_id"],
            "url": url,
            "error": _view_error(row),
            "source": SourceView(**source) if source["sha256"] else None,
            "renditions": [_view_rendition(rendition, url, store) for rendition in row["renditions"]],
        }
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


def _view_rendition(rendition: dict[str, Any], image_url: str, store: Store) -> RenditionView:
    suffix = SUFFIXES[rendition["format"]]
    location = store.location(rendition["key"])
    return RenditionView(**rendition, path=location, url=f"{image_url}/{rendition['preset']}{suffix}")
