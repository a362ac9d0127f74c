"""
What people want done to products and images: rows first, then messages.

Nothing here talks to the broker. A change commits its rows and wakes the sweeper, which publishes
whatever is due, up to what the broker has room for: one path for the first message, the repeated
and the delayed one. So a broker that is down changes nothing for the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from packshot.batches import Added, Batches
from packshot.collector import Collector
from packshot.database import Connection, Row
from packshot.images import Images
from packshot.models import Product
from packshot.products import Products
from packshot.telemetry import Span, no_span


class Producer:
    """Changes what there is to do. `wake` is called after every commit that makes an image due."""

    def __init__(
        self,
        products: Products,
        batches: Batches,
        images: Images,
        collector: Collector,
        wake: Callable[[], None],
        *,
        span: Span = no_span,
    ) -> None:
        self._products = products
        self._batches = batches
        self._images = images
        self._collector = collector
        self.wake = wake
        self._span = span

    def within(self, connection: Connection) -> "Producer":
        """Return one that works inside the transaction of `connection`; who commits it wakes the sweeper."""
        return Producer(
            self._products.within(connection),
            self._batches.within(connection),
            self._images.within(connection),
            self._collector,
            wake=lambda: None,
            span=self._span,
        )

    async def submit(self, product: Product) -> Row:
        """Store a product with its images and return its row; raise InvalidInput for an unknown user."""
        with self._span("submit", images=len(product.product_images)):
            row = await self._products.add(product)
        self.wake()
        return row

    async def submit_all(self, products: Sequence[Product], *, all_or_nothing: bool) -> list[Added]:
        """Store many products with their images, and say what became of each."""
        with self._span("submit", products=len(products)):
            added = await self._batches.add(products, all_or_nothing=all_or_nothing)
        self.wake()
        return added

    async def submit_image(self, url: str, product_id: int | None = None) -> Row:
        """Store one image, alone or at the end of a product, and return its row; raise NotFound."""
        if product_id is None:
            row = await self._images.add(url)
        else:
            row = await self._images.get(await self._products.add_image(product_id, url))
        self.wake()
        return row

    async def change(
        self, product_id: int, changes: Mapping[str, Any], seen: Sequence[str] | None = None
    ) -> Row:
        """Change columns of a product and return its row; raise NotFound, InvalidInput or Conflict."""
        sources = await self._products.change(product_id, changes, seen)
        self.wake()
        await self._collector.collect(sources)
        return await self._products.get(product_id)

    async def remove(self, product_id: int) -> None:
        """Delete a product, its images, and the files nobody else refers to; raise NotFound."""
        await self._collector.collect(await self._products.remove(product_id))

    async def retry(self, image_id: int) -> Row:
        """Give a failed image new attempts and return its row; raise NotFound or Conflict."""
        row = await self._images.requeue(image_id)
        self.wake()
        return row

    async def retry_failed(self, code: str | None = None, host: str | None = None) -> int:
        """Give failed images new attempts, all or those with one code or from one host; return how many."""
        count = await self._images.requeue_failed(code, host)
        self.wake()
        return count
