"""Users over HTTP."""

import json
from datetime import datetime, timedelta

import pytest
from httpx import AsyncClient
from tests.shop import problem_in, wrong_fields


async def test_a_user_is_created_and_can_be_read_where_the_answer_says(api: AsyncClient) -> None:
    details = {"name": "Ada's Shoes", "mobile": "+49 170 1234567", "latitude": 52.52, "longitude": 13.405}

    created = await api.post("/users", json=details)

    assert created.status_code == 201
    assert created.json() | details == created.json()
    assert (await api.get(created.headers["location"])).json() == created.json()


async def test_a_user_needs_only_a_name(api: AsyncClient) -> None:
    created = await api.post("/users", json={"name": "Ada"})

    assert created.status_code == 201
    assert [created.json()[name] for name in ("mobile", "latitude", "longitude")] == [None, None, None]


async def test_times_have_a_zone(api: AsyncClient) -> None:
    user = (await api.get("/users/1")).json()

    assert datetime.fromisoformat(user["created_at"]).utcoffset() == timedelta(0)
    assert datetime.fromisoformat(user["updated_at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(("latitude", "longitude"), [(-90, -180), (90, 180), (0, 0)])
async def test_the_edges_of_the_world_are_in_it(api: AsyncClient, latitude: float, longitude: float) -> None:
    user = {"name": "Ada", "latitude": latitude, "longitude": longitude}

    assert (await api.post("/users", json=user)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("name", None),
        ("name", 7),
        ("name", "A\0da"),
        ("name", "half a pair: \ud800"),
        ("mobile", "1" * 33),
        ("mobile", "\udfff"),
        ("mobile", 491701234567),
        ("latitude", 90.1),
        ("latitude", "52.52"),
        ("latitude", True),
        ("longitude", -180.1),
        ("longitude", [13.405]),
        ("nickname", "Ada"),
    ],
)
async def test_a_wrong_detail_is_refused_by_its_name(api: AsyncClient, field: str, value: object) -> None:
    body = json.dumps({"name": "Ada", field: value})

    assert wrong_fields(await api.post("/users", content=body)) == [field]


async def test_a_user_who_is_not_there_is_not_found(api: AsyncClient) -> None:
    assert problem_in(await api.get("/users/2147483647"), 404)["detail"] == "There is no user 2147483647."


@pytest.mark.parametrize("user_id", ["0", "-1", "2147483648", "99999999999999999999", "ada", "1%00"])
async def test_an_id_that_no_user_can_have_is_refused(api: AsyncClient, user_id: str) -> None:
    assert wrong_fields(await api.get(f"/users/{user_id}")) == ["user_id"]
