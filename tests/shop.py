"""What a shop's program sends, and how it reads the answers."""

from typing import Any, Final

from httpx import AsyncClient, Response

URL: Final = "https://shop.example/boot.jpg"


def a_product(**changes: object) -> dict[str, object]:
    """The body of a product, with some fields changed."""
    return {
        "user_id": 1,
        "product_name": "Leather boot",
        "product_description": "Ankle high.",
        "product_images": [URL],
        "product_price": "119.90",
        **changes,
    }


async def create(api: AsyncClient, **changes: object) -> dict[str, Any]:
    """Create a product and return it as it was answered."""
    answer = await api.post("/products", json=a_product(**changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def read(api: AsyncClient, url: str) -> dict[str, Any]:
    """Read something that must be there."""
    return dict((await api.get(url)).raise_for_status().json())


def problem_in(answer: Response, status: int) -> dict[str, Any]:
    """The problem that an answer describes, in the form that every error has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = dict(answer.json())
    assert problem["status"] == status
    assert problem["detail"]
    return problem


def wrong_fields(answer: Response) -> list[str]:
    """The fields that a refused request got wrong."""
    return [error["field"] for error in problem_in(answer, 422)["errors"]]
