"""The routes that take something in: products and single images. Each request may be sent again."""

from fastapi import APIRouter, Depends, Response

from packshot.web.backend import InBackend
from packshot.web.batches import BatchView, NewBatch, store
from packshot.web.bodies import NewImage, NewProduct
from packshot.web.problems import BODY_REFUSALS, refusals
from packshot.web.repeats import REPEAT_RESPONSES, RepeatableRoute, takes_a_key
from packshot.web.views import LOCATION, ImageView, ProductView, view_image, view_product

router = APIRouter(
    route_class=RepeatableRoute,
    dependencies=[Depends(takes_a_key)],
    responses={**BODY_REFUSALS, **REPEAT_RESPONSES},
)


@router.post("/products", status_code=201, tags=["products"], responses={201: LOCATION})
async def create_product(body: NewProduct, backend: InBackend, response: Response) -> ProductView:
    """Store a product; its images are processed in the background."""
    row = await backend.producer.submit(body.product())
    response.headers["Location"] = f"/products/{row['product_id']}"
    return view_product(row, backend.store, backend.policy.pictures)


@router.post("/products/batch", tags=["products"])
async def create_products(body: NewBatch, backend: InBackend) -> BatchView:
    """Store up to 1,000 products at once; `results` says what became of each."""
    return await store(body, backend.producer)


@router.post("/process-image", status_code=202, tags=["images"], responses={202: LOCATION, **refusals(404)})
async def process_image(body: NewImage, backend: InBackend, response: Response) -> ImageView:
    """Download and compress one URL in the background."""
    row = await backend.producer.submit_image(body.image_url, body.product_id)
    response.headers["Location"] = f"/images/{row['image_id']}"
    return view_image(row, backend.store, backend.policy.pictures)
