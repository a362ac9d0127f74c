"""
The shapes of what receivers of webhooks are sent. They are in OpenAPI, under `webhooks`.

Small on purpose: a message says what ended and how, and where to read the rest. Of a source's URL the
query is left out, because it may hold a signature or a token, and receivers may be anybody.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from packshot.errors import CATALOGUE, FixedBy
from packshot.stores import Store
from packshot.web.choice import path_of

OCCURRED: Final = Field(description="When it happened, which is not when it was sent.")


class SentRendition(BaseModel):
    """A picture we made: where it is stored, and where this Packshot serves it."""

    preset: str
    format: str
    width: int
    height: int
    bytes: int
    path: str
    url: str


class SentError(BaseModel):
    """Why there is no picture, and who can fix it."""

    code: str
    message: str
    fixed_by: FixedBy


class SentImage(BaseModel):
    """What became of one image. `source_url` comes without its query."""

    image_id: int
    product_id: int | None
    position: int | None
    source_url: str
    state: Literal["ready", "failed"]
    attempt: int
    url: str
    error: SentError | None
    renditions: list[SentRendition]


class SentProduct(BaseModel):
    """A product whose images have all ended: how many how. `url` has them all."""

    product_id: int
    state: Literal["ready", "failed"]
    ready: int
    failed: int
    url: str


class SentTrial(BaseModel):
    """Nothing happened; somebody tries the webhook out."""

    webhook_id: int


class ImageEvent(BaseModel):
    """An image has ended."""

    type: Literal["image.ready", "image.failed"]
    timestamp: datetime = OCCURRED
    data: SentImage


class ProductEvent(BaseModel):
    """The last image of a product has ended; sent once after each change that gave it work."""

    type: Literal["product.completed"]
    timestamp: datetime = OCCURRED
    data: SentProduct


class TrialEvent(BaseModel):
    """A test, sent by `packshot webhooks test`."""

    type: Literal["webhook.test"]
    timestamp: datetime = OCCURRED
    data: SentTrial


class Writer:
    """Writes events as the bytes that are sent; `store` knows where renditions are."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, kind: str, timestamp: datetime, data: Mapping[str, Any]) -> bytes:
        """Return the body for an event of the database."""
        event: ImageEvent | ProductEvent | TrialEvent
        match kind:
            case "image.ready" | "image.failed":
                event = ImageEvent(type=kind, timestamp=timestamp, data=self._image(data))
            case "product.completed":
                event = ProductEvent(type=kind, timestamp=timestamp, data=_product(data))
            case _:
                event = TrialEvent(type="webhook.test", timestamp=timestamp, data=SentTrial(**data))
        return event.model_dump_json().encode()

    def _image(self, data: Mapping[str, Any]) -> SentImage:
        return SentImage(
            **{
                **data,
                "source_url": data["source_url"].partition("#")[0].partition("?")[0],
                "url": f"/images/{data['image_id']}",
                "error": _error(data),
                "renditions": [
                    {**one, "path": self._store.location(one["key"]), "url": path_of(data["image_id"], one)}
                    for one in data["renditions"]
                ],
            }
        )


def _error(data: Mapping[str, Any]) -> SentError | None:
    if data["error_code"] is None:
        return None
    fixed_by = CATALOGUE[data["error_code"]].fixed_by
    return SentError(code=data["error_code"], message=data["error_message"], fixed_by=fixed_by)


def _product(data: Mapping[str, Any]) -> SentProduct:
    return SentProduct(
        **data, state="failed" if data["failed"] else "ready", url=f"/products/{data['product_id']}"
    )


described = APIRouter()


@described.post("image.ready", status_code=204)
@described.post("image.failed", status_code=204)
def image_ended(body: ImageEvent) -> None:
    """An image has ended: there is a picture, or a reason why not."""


@described.post("product.completed", status_code=204)
def product_completed(body: ProductEvent) -> None:
    """The last image of a product has ended."""
