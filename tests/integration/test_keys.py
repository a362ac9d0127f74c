"""The rows of access keys, on the real database."""

import re

import pytest

from packshot.database import Database
from packshot.errors import NotFound
from packshot.keys import Keys, Scope, hash_of


async def test_a_key_cannot_be_read_again(keys: Keys, database: Database) -> None:
    secret, _ = await keys.create("Shop", Scope.WRITE)

    (row,) = await database.fetch("SELECT k::text AS everything, sha256 FROM access_keys k")

    assert secret[16:] not in row["everything"]
    assert row["sha256"] == hash_of(secret)


async def test_a_key_is_found_by_its_beginning_and_its_name(keys: Keys) -> None:
    secret, row = await keys.create("Shop", Scope.WRITE, requests_per_minute=60)

    assert [{**one} for one in await keys.all()] == [{**row}]
    assert (row["name"], row["scope"], row["prefix"]) == ("Shop", "write", secret[:16])
    assert (row["requests_per_minute"], row["state"], row["expires_at"]) == (60, "active", None)


async def test_a_key_is_usable_until_it_expires(keys: Keys, database: Database) -> None:
    _, row = await keys.create("Shop", Scope.READ, expires_in_seconds=60)
    assert [key["key_id"] for key in await keys.usable()] == [row["key_id"]]

    await database.execute("UPDATE access_keys SET expires_at = now()")

    assert await keys.usable() == []
    assert [key["state"] for key in await keys.all()] == ["expired"]


@pytest.mark.parametrize("told", ["its id", "its prefix", "all of it"])
async def test_a_key_is_revoked_by_what_is_known_of_it(keys: Keys, told: str) -> None:
    secret, row = await keys.create("Shop", Scope.READ)
    await keys.create("Other", Scope.READ)
    which = {"its id": str(row["key_id"]), "its prefix": row["prefix"], "all of it": secret}[told]

    revoked = await keys.revoke(which)

    assert (revoked["name"], revoked["state"]) == ("Shop", "revoked")
    assert [key["key_id"] for key in await keys.usable()] != [row["key_id"]]
    assert len(await keys.usable()) == 1


async def test_a_key_that_was_revoked_stays_so_since_then(keys: Keys) -> None:
    secret, _ = await keys.create("Shop", Scope.READ)
    first = await keys.revoke(secret)

    assert (await keys.revoke(secret))["revoked_at"] == first["revoked_at"]


async def test_a_key_that_is_not_there_is_named_without_what_could_be_used(keys: Keys) -> None:
    with pytest.raises(NotFound, match="no access key 'packshot_1234567'"):
        await keys.revoke("packshot_1234567890")


async def test_a_use_is_written_once_a_minute(keys: Keys) -> None:
    _, row = await keys.create("Shop", Scope.READ)
    await keys.note_use(row["key_id"])
    (first,) = await keys.all()

    await keys.note_use(row["key_id"])

    (second,) = await keys.all()
    assert first["last_used_at"] is not None
    assert second["last_used_at"] == first["last_used_at"]


async def test_the_scopes_are_those_of_the_table(database: Database) -> None:
    row = await database.fetch_row(
        "SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint"
        " WHERE conname = 'access_keys_scope_check'"
    )

    assert row is not None
    assert re.findall(r"'(\w+)'", row["rule"]) == [*Scope]
