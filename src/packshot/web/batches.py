"""
The shapes of a batch: many products in one request, and what became of each.

A product that is not right is no error of the batch, unless that is all or nothing: it is put aside with
what is wrong with it, and the others are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from packshot.batches import Added
from packshot.models import Product
from packshot.producer import Producer
from packshot.web.bodies import NewProduct, Shape, problems
from packshot.web.problems import FieldProblem, WrongFields

MAX_PRODUCTS: Final = 1_000
MAX_BATCH_IMAGES: Final = 10_000  # as many as the database takes in a second or two
MOST_PROBLEMS_OF_ONE: Final = 10
EXAMPLE: Final = [
    {
        "user_id": 1,
        "product_name": "Boot",
        "product_images": ["https://example.com/boot.jpg"],
        "product_price": 99,
    },
    {"user_id": 1, "product_name": "Voucher", "product_images": [], "product_price": "10.00"},
]


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a product that was put aside."""

    errors: list[FieldProblem]


def _or_wrong(said: object, check: ValidatorFunctionWrapHandler) -> object:
    try:
        return check(said)
    except ValidationError as error:
        found = problems(error.errors(include_url=False)[:MOST_PROBLEMS_OF_ONE])
        return Wrong([FieldProblem(**one) for one in found])


def _few_enough_images(said: object) -> object:
    if isinstance(said, list) and sum(map(_count_images, said)) > MAX_BATCH_IMAGES:
        raise ValueError(f"have more than {MAX_BATCH_IMAGES:,} images together")
    return said


def _count_images(product: object) -> int:
    images = product.get("product_images") if isinstance(product, dict) else None
    return len(images) if isinstance(images, list) else 0


class NewBatch(Shape):
    """Products that do not depend on each other; a wrong one costs the others nothing."""

    products: Annotated[
        list[Annotated[NewProduct, WrapValidator(_or_wrong)]],
        Field(min_length=1, max_length=MAX_PRODUCTS, examples=[EXAMPLE]),
        BeforeValidator(_few_enough_images),
    ]
    all_or_nothing: bool = Field(
        False, strict=True, description="Store none if one is not right: then the answer is 422."
    )


class StoredItem(BaseModel):
    """A product that was stored."""

    index: int
    status: Literal[201] = 201
    product_id: int


class RefusedItem(BaseModel):
    """A product that was not stored, and what is wrong with it."""

    index: int
    status: Literal[422] = 422
    errors: list[FieldProblem]


class BatchView(BaseModel):
    """What became of each product, in the order in which they were sent."""

    stored: int
    refused: int
    results: list[StoredItem | RefusedItem]


async def store(batch: NewBatch, producer: Producer) -> BatchView:
    """Store the products that are right; raise WrongFields if that shall be all of them, and is not."""
    right, wrong = _sort(batch.products)
    if batch.all_or_nothing:
        _refuse(wrong)
    outcomes = await producer.submit_all([*right.values()], all_or_nothing=batch.all_or_nothing)
    added = dict(zip(right, outcomes, strict=True))
    wrong |= {index: _no_user(right[index]) for index, one in added.items() if not one.has_user}
    if batch.all_or_nothing:
        _refuse(wrong)
    return _view(added, wrong)


def _sort(items: Sequence[NewProduct | Wrong]) -> tuple[dict[int, Product], dict[int, Wrong]]:
    right = {index: item.product() for index, item in enumerate(items) if isinstance(item, NewProduct)}
    return right, {index: item for index, item in enumerate(items) if isinstance(item, Wrong)}


def _no_user(product: Product) -> Wrong:
    return Wrong([FieldProblem(field="user_id", message=f"There is no user {product.user_id}.")])


def _refuse(wrong: Mapping[int, Wrong]) -> None:
    if wrong:
        named = (
            (f"products[{index}].{error.field}", error)
            for index, one in sorted(wrong.items())
            for error in one.errors
        )
        raise WrongFields([{"field": field, "message": error.message} for field, error in named])


def _view(added: Mapping[int, Added], wrong: Mapping[int, Wrong]) -> BatchView:
    results: dict[int, StoredItem | RefusedItem] = {
        index: StoredItem(index=index, product_id=one.product_id)
        for index, one in added.items()
        if one.product_id is not None
    }
    stored = len(results)
    results |= {index: RefusedItem(index=index, errors=one.errors) for index, one in wrong.items()}
    return BatchView(stored=stored, refused=len(wrong), results=[results[index] for index in sorted(results)])
