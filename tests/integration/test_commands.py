"""What the short commands do to the database and print; `submit` has a file of its own."""

import socket

import pytest
from tests.console import Packshot
from tests.rows import claimed
from tests.shop import URL

from packshot.app import App
from packshot.lifecycle import GiveUp


async def failed(app: App, url: str = URL, code: str = "source_gone") -> int:
    """The id of an image that has failed."""
    image_id = int((await app.images.add(url))["image_id"])
    await app.images.give_up(await claimed(app.images, image_id), GiveUp(code, "There is nothing."))
    return image_id


async def test_migrate_says_that_the_schema_is_up_to_date(packshot: Packshot) -> None:
    ended = await packshot("migrate")

    assert (ended.code, ended.out) == (0, "The schema is up to date.\n")


async def test_a_user_is_added_and_listed(packshot: Packshot) -> None:
    details = ("--mobile", "+49 170", "--latitude", "52.52", "--longitude", "13.405")

    added = await packshot("users", "add", "Ada [bold]", *details)
    listed = await packshot("users", "list")

    assert (added.code, added.out) == (0, "User 2 is Ada [bold].\n")
    assert "Ada [bold]  +49 170  52.52     13.405" in listed.out


async def test_users_are_json_for_machines(packshot: Packshot) -> None:
    added = (await packshot("users", "add", "Ada", "--json")).json()

    assert added["name"] == "Ada"
    assert (await packshot("users", "list", "--json")).json()[1] == added


async def test_a_user_is_checked_as_the_api_does(packshot: Packshot) -> None:
    ended = await packshot("users", "add", "", "--latitude", 91)

    assert ended.code == 2
    assert ended.err.splitlines() == [
        "The user is not right:",
        "  name: String should have at least 1 character",
        "  latitude: Input should be less than or equal to 90",
    ]


async def test_status_counts_images_and_says_why_some_failed(packshot: Packshot, app: App) -> None:
    await failed(app)
    await app.images.add(URL)

    ended = await packshot("status")

    assert ended.code == 0
    assert [line.split() for line in ended.out.splitlines() if "source_gone" in line] == [
        ["source_gone", "1"]
    ]
    assert [line.split() for line in ended.out.splitlines() if "pending" in line] == [["pending", "1"]]


async def test_status_is_json_for_machines(packshot: Packshot, app: App) -> None:
    await failed(app)
    await app.images.add(URL)

    status = (await packshot("status", "--json")).json()

    assert status["images"] == {"failed": 1, "pending": 1}
    assert status["failures"] == {"source_gone": 1}


async def test_failed_images_are_retried_by_their_ids(packshot: Packshot, app: App) -> None:
    one, other, third = [await failed(app) for _ in range(3)]

    assert (await packshot("retry", one, other, "--json")).json() == {"retried": 2}

    states = [(await app.images.get(image_id))["state"] for image_id in (one, other, third)]
    assert states == ["pending", "pending", "failed"]


async def test_failed_images_are_retried_by_their_code(packshot: Packshot, app: App) -> None:
    gone, slow = await failed(app), await failed(app, code="source_timeout")

    ended = await packshot("retry", "--code", "source_timeout")

    assert ended.out == "1 images will be tried again.\n"
    assert [(await app.images.get(image_id))["state"] for image_id in (gone, slow)] == ["failed", "pending"]


async def test_all_failed_images_are_retried_at_once(packshot: Packshot, app: App) -> None:
    await failed(app)
    await failed(app, code="source_timeout")

    assert (await packshot("retry", "--all", "--json")).json() == {"retried": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["retry"], 2, "Name the images to retry"),
        (["retry", "--code", "gone"], 2, "There is no error code 'gone'"),
        (["retry", "77"], 1, "There is no image 77."),
        (["retry", "boot"], 2, "Invalid value for 'image_ids'"),
        (["retry", "9223372036854775808"], 2, "Invalid value for 'image_ids'"),
        (["submit", URL, "--price", "19,90"], 2, "product_price"),
        (["submit", "ftp://shop.example/boot.jpg"], 2, "product_images[0]"),
        (["submit"], 2, "Missing argument"),
        (["sumbit", URL], 2, "No such command"),
        (["demo", "--pictures", "/no/such/folder"], 2, "/no/such/folder is not a folder."),
        (["demo", "--pictures", "/dev/fd"], 2, "There are no pictures in /dev/fd."),
    ],
)
async def test_a_mistake_on_the_command_line_is_one_message(
    packshot: Packshot, arguments: list[str], code: int, message: str
) -> None:
    ended = await packshot(*arguments)

    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


async def test_an_image_that_has_not_failed_is_not_retried(packshot: Packshot, app: App) -> None:
    image_id = (await app.images.add(URL))["image_id"]

    ended = await packshot("retry", image_id)

    assert ended.code == 1
    assert ended.err == f"Image {image_id} is pending; only a failed image can be retried.\n"


async def test_a_database_that_is_not_there_is_one_message(
    packshot: Packshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # and free after this
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", f"postgresql://packshot@127.0.0.1:{port}/packshot")

    ended = await packshot("status")

    assert ended.code == 1
    assert ended.err.startswith("The database")
    assert "Traceback" not in ended.err
