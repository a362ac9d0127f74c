"""The routes of products, once they are there."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from packshot.web.backend import InBackend
from packshot.web.bodies import LARGEST_INT, ProductChanges, ProductQuery
from packshot.web.guards import JsonRoute
from packshot.web.problems import BODY_REFUSALS, refusals
from packshot.web.reader import CACHED_RESPONSES
from packshot.web.views import ProductPage, ProductView, view_product

router = APIRouter(prefix="/products", tags=["products"], route_class=JsonRoute)

ProductId = Annotated[int, Path(ge=1, le=LARGEST_INT)]


@router.get("", responses=refusals(422))
async def list_products(
    query: Annotated[ProductQuery, Query()], backend: InBackend, request: Request, response: Response
) -> ProductPage:
    """List products, newest first. The header `Link` has the URL of the next page."""
    rows = await backend.products.page(query.filters(), query.limit + 1)
    page = rows[: query.limit]
    next_cursor = str(page[-1]["product_id"]) if len(rows) > query.limit else None
    if next_cursor:
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    products = [view_product(row, backend.store, backend.policy.pictures) for row in page]
    return ProductPage(products=products, next_cursor=next_cursor)


@router.head("/{product_id}", include_in_schema=False)
@router.get(
    "/{product_id}",
    response_model=ProductView,
    responses={**CACHED_RESPONSES, **refusals(404, 422)},
)
async def read_product(
    product_id: ProductId, backend: InBackend, if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """Read a product with its state and images."""
    return (await backend.reader.read(product_id, if_none_match)).response()


@router.patch("/{product_id}", responses={**BODY_REFUSALS, **refusals(404)})
async def change_product(product_id: ProductId, body: ProductChanges, backend: InBackend) -> ProductView:
    """Change a product; images whose URL stays keep their result, whatever their new position."""
    row = await backend.producer.change(product_id, body.model_dump(exclude_unset=True))
    return view_product(row, backend.store, backend.policy.pictures)


@router.delete("/{product_id}", status_code=204, responses=refusals(403, 404, 422))
async def delete_product(product_id: ProductId, backend: InBackend) -> None:
    """Delete a product, its images, and the files nobody else refers to."""
    await backend.producer.remove(product_id)
