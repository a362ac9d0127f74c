"""`packshot keys`: what it prints, and what it writes."""

import json
import re
from pathlib import Path

import pytest
from tests.console import Packshot

from packshot.app import App
from packshot.keyring import Keyring
from packshot.keys import Caller, Scope


async def who(app: App, secret: str) -> Caller | None:
    async with Keyring.open(app.keyring.keys) as keyring:
        return await keyring.verify(secret)


async def test_a_new_key_is_all_that_is_printed_for_a_script(packshot: Packshot, app: App) -> None:
    ended = await packshot("keys", "create", "Shop", "--scope", "write", "--rate", 60)

    assert ended.code == 0
    assert await who(app, ended.out.rstrip("\n")) == Caller(1, Scope.WRITE, 60)
    assert "has the scope write, until it is revoked. It cannot be shown again." in ended.err


async def test_a_key_is_listed_without_what_could_be_used(packshot: Packshot) -> None:
    secret = (await packshot("keys", "create", "shop.example Ltd.", "--scope", "read")).out.strip()

    table = (await packshot("keys", "list")).out
    listed = (await packshot("keys", "list", "--json")).json()

    assert re.search(rf"{secret[:16]} +shop\.example Ltd\. +read +active +20[-\d]+ [:\d]+ *\n", table)
    (key,) = listed
    assert (key["name"], key["prefix"], key["state"]) == ("shop.example Ltd.", secret[:16], "active")
    assert secret[16:] not in table + json.dumps(listed)


async def test_a_revoked_key_works_no_more(packshot: Packshot, app: App) -> None:
    secret = (await packshot("keys", "create", "Shop", "--scope", "read", "--json")).json()["key"]

    ended = await packshot("keys", "revoke", secret[:16])

    assert "does not work any more" in ended.out
    assert await who(app, secret) is None


async def test_a_key_that_is_not_there_cannot_be_revoked(packshot: Packshot) -> None:
    ended = await packshot("keys", "revoke", "packshot_nothing")

    assert (ended.code, ended.err) == (1, "There is no access key 'packshot_nothing'.\n")


async def test_a_key_ends_when_it_was_told_to(packshot: Packshot) -> None:
    made = (await packshot("keys", "create", "Shop", "--scope", "read", "--expires", "90d", "--json")).json()

    assert made["expires_at"][:10] > made["created_at"][:10]
    assert "until 20" in (await packshot("keys", "create", "Shop", "--scope", "read", "--expires", "12h")).err


@pytest.mark.parametrize("expires", ["soon", "0d", "-1d", "90", "9999999d", "1y"])
async def test_a_time_that_is_none_is_explained(packshot: Packshot, expires: str) -> None:
    ended = await packshot("keys", "create", "Shop", "--scope", "read", f"--expires={expires}")

    assert ended.code == 2
    assert re.search("30m, 12h, 90d|less than or equal", ended.err)


async def test_a_key_goes_into_a_file_that_only_its_owner_can_read(
    packshot: Packshot, app: App, tmp_path: Path
) -> None:
    file = tmp_path / "key"

    ended = await packshot("keys", "create", "Shop", "--scope", "admin", "--output", file)

    assert file.read_text().strip() not in ended.out + ended.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert await who(app, file.read_text().strip()) == Caller(1, Scope.ADMIN)


async def test_a_file_with_a_key_that_works_is_left_alone(packshot: Packshot, tmp_path: Path) -> None:
    create = ("keys", "create", "Shop", "--scope", "admin", "--output", tmp_path / "key")
    await packshot(*create)
    before = (tmp_path / "key").read_text()

    ended = await packshot(*create)

    assert ended.code == 0
    assert (tmp_path / "key").read_text() == before
    assert len((await packshot("keys", "list", "--json")).json()) == 1


@pytest.mark.parametrize("held", ["revoked", "of another scope", "none"])
async def test_a_file_without_such_a_key_gets_one(
    packshot: Packshot, app: App, tmp_path: Path, held: str
) -> None:
    file = tmp_path / "key"
    secret, _ = await app.keyring.keys.create(
        "Old", Scope.READ if held == "of another scope" else Scope.ADMIN
    )
    if held == "revoked":
        await app.keyring.keys.revoke(secret)
    file.write_text("" if held == "none" else secret)

    await packshot("keys", "create", "New", "--scope", "admin", "--output", file)

    assert await who(app, file.read_text().strip()) == Caller(2, Scope.ADMIN)


async def test_a_key_that_cannot_be_written_down_does_not_work(packshot: Packshot, tmp_path: Path) -> None:
    ended = await packshot("keys", "create", "Shop", "--scope", "admin", "--output", tmp_path / "no" / "key")

    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert [key["state"] for key in (await packshot("keys", "list", "--json")).json()] == ["revoked"]


async def test_a_name_that_cannot_be_kept_is_explained(packshot: Packshot) -> None:
    ended = await packshot("keys", "create", "", "--scope", "read")

    assert ended.code == 2
    assert "name: " in ended.err


async def test_a_file_with_something_else_in_it_is_left_alone(packshot: Packshot, tmp_path: Path) -> None:
    file = tmp_path / "settings.conf"
    file.write_text("important")

    ended = await packshot("keys", "create", "Shop", "--scope", "admin", "--output", file)

    assert ended.code == 2
    assert "holds something else than a key" in ended.err
    assert file.read_text() == "important"
