"""The routes of products."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from packshot.models import Product
from packshot.products import Filters
from packshot.web.backend import InBackend
from packshot.web.guards import JsonRoute
from packshot.web.views import (
    LARGEST_INT,
    NewProduct,
    ProductChanges,
    ProductPage,
    ProductView,
    State,
    Text,
    view_product,
)

router = APIRouter(prefix="/products", tags=["products"], route_class=JsonRoute)

ProductId = Annotated[int, Path(ge=1, le=LARGEST_INT)]


class ListQuery(BaseModel):
    """How to narrow down and page through products; `product_name` is any part of the name."""

    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[int, Field(ge=1, le=LARGEST_INT)] | None = None
    min_price: Annotated[Decimal, Field(allow_inf_nan=False)] | None = None
    max_price: Annotated[Decimal, Field(allow_inf_nan=False)] | None = None
    product_name: Annotated[Text, Field(max_length=500)] | None = None
    state: State | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[int, Field(ge=1, le=LARGEST_INT)] | None = None


@router.post("", status_code=201)
async def create_product(body: NewProduct, backend: InBackend, response: Response) -> ProductView:
    """Store a product; its images are processed in the background."""
    product = Product(**{**dict(body), "product_images": tuple(body.product_images)})
    row = await backend.producer.submit(product)
    response.headers["Location"] = f"/products/{row['product_id']}"
    return view_product(row, backend.store)


@router.get("")
async def list_products(
    query: Annotated[ListQuery, Query()], backend: InBackend, request: Request, response: Response
) -> ProductPage:
    """List products, newest first."""
    filters = Filters(**query.model_dump(exclude={"limit", "cursor"}), before=query.cursor)
    rows = await backend.products.page(filters, query.limit + 1)
    page = rows[: query.limit]
    next_cursor = str(page[-1]["product_id"]) if len(rows) > query.limit else None
    if next_cursor:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=next_cursor)}>; rel="next"'
    return ProductPage(products=[view_product(row, backend.store) for row in page], next_cursor=next_cursor)


@router.get("/{product_id}")
async def read_product(product_id: ProductId, backend: InBackend) -> ProductView:
    """Read a product with its state and images."""
    return view_product(await backend.products.get(product_id), backend.store)


@router.patch("/{product_id}")
async def change_product(product_id: ProductId, body: ProductChanges, backend: InBackend) -> ProductView:
    """Change a product; images whose URL stays keep their result, whatever their new position."""
    row = await backend.producer.change(product_id, body.model_dump(exclude_unset=True))
    return view_product(row, backend.store)


@router.delete("/{product_id}", status_code=204)
async def delete_product(product_id: ProductId, backend: InBackend) -> None:
    """Delete a product, its images, and the files nobody else refers to."""
    await backend.producer.remove(product_id)
