"""The grid of products, and the form that makes or changes one."""

import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from packshot.errors import CATALOGUE, Conflict, InvalidInput
from packshot.lifecycle import ImageState
from packshot.models import Product
from packshot.producer import Producer
from packshot.web.backend import InBackend
from packshot.web.bodies import NewProduct, ProductQuery, problems
from packshot.web.console.doors import Page
from packshot.web.console.forms import Form
from packshot.web.console.once import make_once
from packshot.web.console.pages import show
from packshot.web.products import ProductId
from packshot.web.views import ProductView, view_product

router = APIRouter(prefix="/console/products", include_in_schema=False, route_class=Page)

ON_A_PAGE: Final = 24
BLANK: Final = {
    "user_id": "1",
    "product_name": "",
    "product_description": "",
    "product_images": "",
    "product_price": "",
}
STATES: Final = tuple(ImageState)
LABELS: Final = {
    "product_name": "Name",
    "error_code": "Failure",
    "user_id": "User",
    "min_price": "Price from",
    "max_price": "Price to",
}

Wrong = ValidationError | InvalidInput | Conflict
USER_ID: Final = re.compile("[0-9]{1,10}")


@router.get("")
async def list_products(request: Request, backend: InBackend) -> Response:
    """Show products as pictures, newest first."""
    said = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    query, wrong = _query(said)
    rows = await backend.products.page(query.filters(), ON_A_PAGE + 1) if query else []
    shown = [view_product(row, backend.store) for row in rows[:ON_A_PAGE]]
    filters = {name: value for name, value in said.items() if name != "cursor"}
    older = urlencode({**filters, "cursor": shown[-1].product_id}) if len(rows) > ON_A_PAGE else ""
    return await show(
        request,
        "products.html",
        products=shown,
        older=older,
        newest=urlencode(filters),
        said=said,
        wrong=wrong,
        users=await backend.users.all(),
        states=STATES,
        codes=sorted(CATALOGUE),
        labels=LABELS,
    )


@router.get("/new")
async def new_product(request: Request, backend: InBackend) -> Response:
    """Show the form for a product."""
    return await _form(request, backend, BLANK, BLANK)


@router.post("")
async def create_product(request: Request, backend: InBackend, fields: Form) -> Response:
    """Make a product of what the form says, and go there."""
    try:
        body = NewProduct.model_validate(_typed(fields))
        return await make_once(request, fields, partial(_submit, body.product()))
    except (ValidationError, InvalidInput) as error:
        return await _form(request, backend, fields, BLANK, error=error)


@router.get("/{product_id}/edit")
async def edit_product(request: Request, product_id: ProductId, backend: InBackend) -> Response:
    """Show the form with what the product is now."""
    product = await _read(product_id, backend)
    return await _form(request, backend, _written(product), _written(product), product)


@router.post("/{product_id}/edit")
async def change_product(
    request: Request, product_id: ProductId, backend: InBackend, fields: Form
) -> Response:
    """Change what was changed in the form, so that what others changed meanwhile stays."""
    seen = {name: fields.get(f"seen_{name}", "") for name in BLANK}
    try:
        body = NewProduct.model_validate(_typed(fields))
        changes = {name: getattr(body, name) for name in _differing(fields, seen)}
        images = seen["product_images"].split() if "product_images" in changes else None
        await backend.producer.change(product_id, changes, images)
    except (ValidationError, InvalidInput, Conflict) as error:
        product = await _read(product_id, backend)
        if isinstance(error, Conflict):
            seen["product_images"] = _written(product)["product_images"]
        return await _form(request, backend, fields, seen, product, error)
    return to(product_id)


def place_of(product_id: int, image_id: int | None = None, part: str = "") -> str:
    """Return the address of a product, of one of its images, or of a part of its page."""
    query = f"?image={image_id}" if image_id else ""
    return f"/console/products/{product_id}{query}{part}"


def to(product_id: int, image_id: int | None = None, part: str = "") -> Response:
    """Lead to a product, to one of its images, or to a part of its page."""
    return RedirectResponse(place_of(product_id, image_id, part), 303)


async def _submit(product: Product, producer: Producer) -> str:
    row = await producer.submit(product)
    return place_of(row["product_id"])


async def _form(
    request: Request,
    backend: InBackend,
    fields: dict[str, str],
    seen: dict[str, str],
    product: ProductView | None = None,
    error: Wrong | None = None,
) -> Response:
    wrong = _wrong(error, fields.get("product_images", "")) if error else {}
    return await show(
        request,
        "product_form.html",
        422 if wrong else 200,
        fields=BLANK | fields,
        seen=seen,
        product=product,
        wrong=wrong,
        users=await backend.users.all(),
    )


async def _read(product_id: int, backend: InBackend) -> ProductView:
    return view_product(await backend.products.get(product_id), backend.store)


def _query(said: dict[str, str]) -> tuple[ProductQuery | None, dict[str, str]]:
    try:
        return ProductQuery.model_validate(said), {}
    except ValidationError as error:
        return None, _wrong(error)


def _written(product: ProductView) -> dict[str, str]:
    """Write a product as the text of a form: a URL on each line."""
    return {
        "user_id": str(product.user_id),
        "product_name": product.product_name,
        "product_description": product.product_description,
        "product_images": "\n".join(product.product_images),
        "product_price": f"{product.product_price:f}",
    }


def _typed(fields: dict[str, str]) -> dict[str, Any]:
    """Read the text of a form as the API's fields."""
    number = fields.get("user_id", "").strip()
    return {
        "user_id": int(number) if USER_ID.fullmatch(number) else number,
        "product_name": fields.get("product_name", "").strip(),
        "product_description": fields.get("product_description", "").replace("\r\n", "\n"),
        "product_images": fields.get("product_images", "").split(),
        "product_price": fields.get("product_price", "").strip().replace(",", "."),
    }


def _differing(fields: dict[str, str], seen: dict[str, str]) -> list[str]:
    typed, before = _typed(fields), _typed(seen)
    return [name for name in typed if typed[name] != before[name]]


def _wrong(error: Wrong, images: str = "") -> dict[str, str]:
    """Say what is wrong with which field; of several URLs, in which line of `images`."""
    if isinstance(error, Conflict):
        return {"product_images": f"{error} Save again to have yours instead, or cancel to see them."}
    if isinstance(error, InvalidInput):
        return {error.field: str(error)}
    found: dict[str, str] = {}
    lines = [number for number, line in enumerate(images.splitlines(), 1) for _ in line.split()]
    for problem in problems(error.errors()):
        name, _, place = problem["field"].partition("[")
        where = f"Line {lines[int(place.rstrip(']'))]}: " if place else ""
        found[name] = f"{found[name]}\n" if name in found else ""
        found[name] += where + problem["message"]
    return found
