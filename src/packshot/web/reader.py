"""
Reads a product as a finished answer: bytes and an ETag, with the cache or without.

The version comes from PostgreSQL on every read, so an answer is never older than the last commit before
its request. What comes from the cache, or is left out because the client has it, is only the shaping.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Response

from packshot import __version__
from packshot.cache import Cache
from packshot.products import Products
from packshot.stores import ANY_KEY, Store
from packshot.web.pictures import Pictures
from packshot.web.views import OURS, ProductView, view_product

CACHED_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"ETag": {"description": "Changes with the product.", "schema": {"type": "string"}}}},
    304: {"description": "The product that `If-None-Match` names has not changed."},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A product as JSON; no body if the client has it already."""

    etag: str
    body: bytes | None

    def response(self) -> Response:
        """Shape it for HTTP. Whoever keeps it asks us each time whether it is still right."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache"}
        if self.body is None:
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type="application/json")


class ProductReader:
    """Reads products; `cache` is None where there is no Redis."""

    def __init__(
        self, products: Products, store: Store, cache: Cache | None, pictures: Pictures = OURS
    ) -> None:
        self._products = products
        self._store = store
        self._cache = cache
        self._pictures = pictures
        self._program = _fingerprint(store)

    async def read(self, product_id: int, if_none_match: str) -> Answer:
        """Return the product as it is now; raise NotFound."""
        if not if_none_match and self._cache is None:
            return await self._shape(product_id)
        version = await self._products.version(product_id)
        etag = self._etag(version)
        if names(if_none_match, etag):
            return Answer(etag, None)
        if self._cache and (body := await self._cache.get(self._key(product_id), version)):
            return Answer(etag, body)
        return await self._shape(product_id)

    async def _shape(self, product_id: int) -> Answer:
        version, row = await self._products.get_versioned(product_id)
        body = view_product(row, self._store, self._pictures).model_dump_json().encode()
        if self._cache:
            self._cache.put(self._key(product_id), version, body)
        return Answer(self._etag(version), body)

    def _etag(self, version: str) -> str:
        return f'"{version[:32]}-{self._program}{self._pictures.edition}"'

    def _key(self, product_id: int) -> str:
        return f"{self._program}{self._pictures.edition}:{product_id}"


def names(if_none_match: str, etag: str) -> bool:
    """Tell whether the header If-None-Match names the ETag, strong or weak (RFC 9110, 13.1.2)."""
    known = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return any(part in ("*", etag) for part in known)


def _fingerprint(store: Store) -> str:
    """Sum up what decides the same product's bytes: the program, the shape of its answers, and the store."""
    shape = json.dumps(ProductView.model_json_schema(), sort_keys=True)
    program = f"{__version__} {store.location(ANY_KEY)} {shape}"
    return hashlib.sha256(program.encode()).hexdigest()[:16]
