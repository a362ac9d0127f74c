"""
For programs that talk to a Packshot: a typed, synchronous client in one file, which needs only httpx.

    from packshot.client import Client
    with Client("http://127.0.0.1:8080", key="…") as packshot:
        boot = {"user_id": 1, "product_name": "Boot", "product_images": [url], "product_price": "9.90"}
        product = packshot.wait(packshot.submit(boot)["product_id"], seconds=60)

What may pass is tried again: no connection, 429, 503, any `Retry-After`; an `Idempotency-Key` sees to it that
nothing is made twice. Answers are the API's dicts: prices and times are strings. What remains is raised:

    ApiError          also for what should not happen, such as 500
    ├── NotFound      404
    ├── Conflict      409: the thing is not in the state that this needs
    ├── Refused       another 4xx: the request is not right, or not allowed; `errors` names the fields
    └── Unavailable   no connection, 429, 503, any with `Retry-After`: tried again and given up
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NotRequired, Self, TypedDict
from uuid import uuid4

import httpx

State = Literal["pending", "processing", "ready", "failed"]
Price = str | float
Sleep = Callable[[float], None]

ENDED: Final = ("ready", "failed")
PAUSES: Final = (0.2, 1, 3, 8)  # seconds between tries, if the answer does not ask for more
LONGEST_PAUSE: Final = 60
POLL_SECONDS: Final = 0.25
LONGEST_POLL_SECONDS: Final = 5
KEY_HEADER: Final = "Idempotency-Key"


class NewProduct(TypedDict):
    """A product to submit."""

    user_id: int
    product_name: str
    product_description: NotRequired[str]
    product_images: Sequence[str]
    product_price: Price


class FieldProblem(TypedDict):
    """What is wrong with one field."""

    field: str
    message: str


class ImageError(TypedDict):
    """Why the last attempt at an image failed, and who can fix it."""

    code: str
    message: str
    transient: bool
    fixed_by: Literal["supplier", "operator", "packshot"]
    retry_at: str | None


class Facts(TypedDict):
    """What is known of a picture besides its size."""

    colour: str
    placeholder: str
    has_transparency: bool
    whiteness: float
    sharpness: float


class Source(TypedDict):
    """The file as it was downloaded."""

    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None
    facts: Facts | None


class Rendition(TypedDict):
    """A picture that Packshot made."""

    preset: str
    format: str
    width: int
    height: int
    bytes: int
    quality: int | None
    score: float | None
    path: str
    url: str


class Image(TypedDict):
    """One picture of a product, or a stand-alone one."""

    id: int
    product_id: int | None
    position: int | None
    source_url: str
    url: str
    state: State
    attempt: int
    max_attempts: int
    error: ImageError | None
    source: Source | None
    renditions: list[Rendition]
    timings: dict[str, float]
    created_at: str
    updated_at: str


class Product(TypedDict):
    """A product with its state and its images."""

    product_id: int
    user_id: int
    product_name: str
    product_description: str
    product_images: list[str]
    product_price: str
    compressed_product_images: list[str | None]
    created_at: str
    updated_at: str
    state: State
    images: list[Image]


class BatchItem(TypedDict):
    """What became of a product: 201 and its id, or 422 and what is wrong with it."""

    index: int
    status: Literal[201, 422]
    product_id: NotRequired[int]
    errors: NotRequired[list[FieldProblem]]


class Batch(TypedDict):
    """What became of each product of a batch."""

    stored: int
    refused: int
    results: list[BatchItem]


@dataclass(eq=False)
class ApiError(Exception):
    """A request that failed; `status` is None if there was no answer."""

    status: int | None
    title: str
    detail: str
    errors: Sequence[FieldProblem] = ()
    retry_after: float = 0

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}"


class NotFound(ApiError):
    """There is no such thing."""


class Conflict(ApiError):
    """The thing is not in the state that this needs."""


class Refused(ApiError):
    """The request is not right, or not allowed; `errors` names the fields."""


class Unavailable(ApiError):
    """Packshot does not answer, or not now."""


KINDS: Final = {404: NotFound, 409: Conflict, 429: Unavailable, 503: Unavailable}


class Client:
    """A connection to one Packshot; close it, or use it in a `with`."""

    def __init__(
        self, base_url: str, key: str | None = None, *, timeout_seconds: float = 30, sleep: Sleep = time.sleep
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_seconds)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def submit(self, product: NewProduct, *, key: str = "") -> Product:
        """Store a product; whoever may ask again after a restart brings a `key` that is the same then."""
        answer: Product = self._submit("/products", product, key)
        return answer

    def submit_image(self, image_url: str, product_id: int | None = None, *, key: str = "") -> Image:
        """Have one URL processed, alone or as the last image of a product."""
        body = {"image_url": image_url, "product_id": product_id}
        answer: Image = self._submit("/process-image", body, key)
        return answer

    def batch(self, products: Sequence[NewProduct], *, all_or_nothing: bool = False, key: str = "") -> Batch:
        """Store up to 1,000 products at once; all or nothing raises Refused if one is not right."""
        body = {"products": products, "all_or_nothing": all_or_nothing}
        answer: Batch = self._submit("/products/batch", body, key)
        return answer

    def product(self, product_id: int) -> Product:
        """Read a product."""
        answer: Product = self._ask("GET", f"/products/{product_id}").json()
        return answer

    def products(self, **filters: str | float) -> Iterator[Product]:
        """Go over products, newest first; filters are those of `GET /products`, such as `state="failed"`."""
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = self._ask("GET", "/products", params={"limit": 100, **filters, **cursor}).json()
            yield from page["products"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None

    def change(self, product_id: int, **fields: str | float | Sequence[str]) -> Product:
        """Change some fields, such as `product_price="9.90"`; images whose URL stays keep their result."""
        answer: Product = self._ask("PATCH", f"/products/{product_id}", json=fields).json()
        return answer

    def remove(self, product_id: int) -> None:
        """Delete a product, its images, and their files."""
        self._ask("DELETE", f"/products/{product_id}")

    def image(self, image_id: int) -> Image:
        """Read one image."""
        answer: Image = self._ask("GET", f"/images/{image_id}").json()
        return answer

    def retry(self, image_id: int) -> Image:
        """Give a failed image new attempts; raise Conflict if it has not failed."""
        answer: Image = self._ask("POST", f"/images/{image_id}/retry").json()
        return answer

    def wait(self, product_id: int, *, seconds: float) -> Product:
        """Return the product once each of its images is ready or failed; raise TimeoutError."""
        deadline, pause = time.monotonic() + seconds, POLL_SECONDS
        while (product := self.product(product_id))["state"] not in ENDED:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError(f"Product {product_id} is {product['state']} after {seconds:g} seconds.")
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        return product

    def _submit(self, path: str, body: object, key: str) -> Any:  # noqa: ANN401 - the caller says which shape
        return self._ask("POST", path, json=body, headers={KEY_HEADER: key or str(uuid4())}).json()

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own names
        """Return the answer to a request, tried again while that may help; raise ApiError."""
        request = self._http.build_request(method, path, **content)
        is_repeatable = method in ("GET", "PATCH") or KEY_HEADER in request.headers
        for pause in PAUSES:
            try:
                return self._try(request)
            except Unavailable as error:
                if error.status is None and not is_repeatable:
                    raise
                self._sleep(max(pause, error.retry_after))
        return self._try(request)

    def _try(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._http.send(request)
        except httpx.TransportError as error:
            raise Unavailable(None, "No answer", f"{request.url}: {error}") from error
        if answer.is_success:
            return answer
        raise _error(answer)


def _error(answer: httpx.Response) -> ApiError:
    status, wait = answer.status_code, answer.headers.get("retry-after", "")
    try:
        problem = dict(answer.json())
    except (TypeError, ValueError):  # somebody between us, such as a proxy
        problem = {"detail": answer.text[:200]}
    kind = Unavailable if wait else KINDS.get(status, Refused if answer.is_client_error else ApiError)
    pause = min(float(wait), LONGEST_PAUSE) if wait.isdecimal() else 0
    title, detail = problem.get("title", answer.reason_phrase), problem.get("detail", "")
    return kind(status, title, detail, problem.get("errors", ()), pause)
