"""Users, on the real database."""

import pytest

from packshot.database import ConstraintViolated
from packshot.errors import NotFound
from packshot.users import Users


async def test_a_user_is_kept_as_given(users: Users) -> None:
    added = await users.add("Ada", "+44 20 7946 0000", 51.5, -0.12)

    kept = await users.get(added["id"])

    assert kept == added
    assert (kept["name"], kept["mobile"]) == ("Ada", "+44 20 7946 0000")
    assert (kept["latitude"], kept["longitude"]) == (51.5, -0.12)


async def test_a_name_is_all_it_takes(users: Users) -> None:
    assert (await users.add("Ada"))["mobile"] is None


async def test_a_user_who_is_not_there_is_named(users: Users) -> None:
    with pytest.raises(NotFound, match="no user 7"):
        await users.get(7)


@pytest.mark.parametrize(
    ("name", "mobile", "latitude", "longitude"),
    [
        ("", None, None, None),
        ("A" * 201, None, None, None),
        ("Ada", "0" * 33, None, None),
        ("Ada", None, 90.1, None),
        ("Ada", None, float("nan"), None),
        ("Ada", None, None, -180.1),
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    users: Users, name: str, mobile: str | None, latitude: float | None, longitude: float | None
) -> None:
    with pytest.raises(ConstraintViolated):
        await users.add(name, mobile, latitude, longitude)


async def test_all_users_come_oldest_first(users: Users) -> None:
    for name in ("Ada", "Grace", "Barbara"):
        await users.add(name)

    assert [user["name"] for user in await users.all()] == ["Ada", "Grace", "Barbara"]


async def test_an_empty_database_gets_its_first_user_once(users: Users) -> None:
    await users.add_first()
    await users.add_first()

    assert [user["id"] for user in await users.all()] == [1]


async def test_where_there_is_somebody_nobody_is_added(users: Users, user_id: int) -> None:
    await users.add_first()

    assert [user["id"] for user in await users.all()] == [user_id]
