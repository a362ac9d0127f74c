"""One product: its images in order, one of them large beside its source, and what can be done about it."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from packshot.database import Row
from packshot.errors import Conflict, InvalidInput
from packshot.lifecycle import ENDED
from packshot.models import LARGEST_BIGINT
from packshot.producer import Producer
from packshot.web.backend import InBackend
from packshot.web.bodies import NewImage, problems
from packshot.web.console.doors import Page
from packshot.web.console.forms import Form, local
from packshot.web.console.once import make_once
from packshot.web.console.pages import show
from packshot.web.console.products import place_of, to
from packshot.web.images import ImageId, to_paste
from packshot.web.products import ProductId
from packshot.web.views import view_image, view_product

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)

OUT: Final = "out"
PLACE: Final = re.compile("[0-9]{1,3}")


@router.get("/products/{product_id}")
async def read_product(
    request: Request,
    product_id: ProductId,
    backend: InBackend,
    image: Annotated[int | None, Query(ge=1, le=LARGEST_BIGINT)] = None,
) -> Response:
    """Show a product, and one of its images large: the one that is asked for, or the first."""
    row = await backend.products.get(product_id)
    chosen = next((one for one in row["images"] if one["image_id"] == image), None)
    return await _show(request, backend, chosen or next(iter(row["images"]), None), row)


@router.get("/images/{image_id}")
async def read_image(request: Request, image_id: ImageId, backend: InBackend) -> Response:
    """Show an image without a product; one of a product is shown there."""
    row = await backend.images.get(image_id)
    return to(row["product_id"], image_id) if row["product_id"] else await _show(request, backend, row)


@router.post("/images/{image_id}/retry")
async def retry_image(image_id: ImageId, backend: InBackend, fields: Form) -> Response:
    """Give a failed image new attempts, and go back to where that was asked for."""
    await backend.producer.retry(image_id)
    return RedirectResponse(local(fields.get("back", ""), f"/console/images/{image_id}"), 303)


@router.post("/products/{product_id}/images")
async def add_image(request: Request, product_id: ProductId, backend: InBackend, fields: Form) -> Response:
    """Add an image by its URL, at the end."""
    url = fields.get("image_url", "").strip()
    try:
        body = NewImage.model_validate({"image_url": url})
        return await make_once(request, fields, partial(_submit, body.image_url, product_id))
    except (ValidationError, InvalidInput) as error:
        product = await backend.products.get(product_id)
        image = next(iter(product["images"]), None)
        return await _show(request, backend, image, product, added=(url, _sentence(error)))


@router.post("/products/{product_id}/order")
async def move_image(product_id: ProductId, backend: InBackend, fields: Form) -> Response:
    """Put an image at another place, or take it out."""
    product = await backend.products.get(product_id)
    image = next((one for one in product["images"] if str(one["image_id"]) == fields.get("image")), None)
    if image is None:
        raise Conflict("This image is no longer one of the product's. Go back and load the page again.")
    seen = product["product_images"]
    urls = _moved(seen, image["position"], fields.get("place", ""))
    await backend.producer.change(product_id, {"product_images": urls}, seen)
    return to(product_id, image["image_id"] if len(urls) == len(seen) else None, "#place")


@router.post("/products/{product_id}/delete")
async def delete_product(product_id: ProductId, backend: InBackend, _: Form) -> Response:
    """Delete the product with its images."""
    await backend.producer.remove(product_id)
    return RedirectResponse("/console/products", 303)


async def _submit(url: str, product_id: int, producer: Producer) -> str:
    row = await producer.submit_image(url, product_id)
    return place_of(product_id, row["image_id"])


def _moved(urls: Sequence[str], position: int, place: str) -> list[str]:
    others = [*urls[:position], *urls[position + 1 :]]
    if place == OUT:
        return others
    if not PLACE.fullmatch(place):
        raise InvalidInput("place", f"An image goes to a place, from 0 on, or {OUT}.")
    return [*others[: int(place)], urls[position], *others[int(place) :]]


async def _show(
    request: Request,
    backend: InBackend,
    image: Row | None,
    product: Row | None = None,
    added: tuple[str, str] = ("", ""),
) -> Response:
    url, problem = added
    shop_page = ""
    if image and image["renditions"]:
        alt = product["product_name"] if product else ""
        shop_page = to_paste(image, backend, str(request.base_url), sizes="100vw", alt=alt)
    return await show(
        request,
        "product.html",
        422 if problem else 200,
        product=view_product(product, backend.store) if product else None,
        image=view_image(image, backend.store) if image else None,
        ended=sum(one["state"] in ENDED for one in product["images"]) if product else 0,
        to_paste=shop_page,
        image_url=url,
        wrong={"image_url": problem} if problem else {},
    )


def _sentence(error: ValidationError | InvalidInput) -> str:
    return str(error) if isinstance(error, InvalidInput) else problems(error.errors())[0]["message"]
