"""The console's products, without a script: the grid, its filters and pages, and the form."""

import asyncio

import pytest
from httpx import AsyncClient
from tests.rows import eventually
from tests.shop import URL, create, read
from tests.visitor import fill_in, hidden_in, look, send

from packshot.app import App
from packshot.database import Connection
from packshot.web.console import once

GRID = "/console/products"
EDIT = f"{GRID}/1/edit"
FORM = {
    "user_id": "1",
    "product_name": "Leather boot",
    "product_description": "",
    "product_images": f"{URL}\r\n\r\n{URL}?2 ",
    "product_price": "119.90",
}


async def test_the_grid_shows_what_matches(api: AsyncClient) -> None:
    await create(api, product_name="Boot")
    await create(api, product_name="Lamp", product_price="5")

    assert "Lamp" not in await look(api, f"{GRID}?product_name=oo&state=&min_price=")
    assert "Boot" not in await look(api, f"{GRID}?max_price=10")


async def test_a_filter_that_makes_no_sense_is_said_and_kept(api: AsyncClient) -> None:
    page = await look(api, f"{GRID}?min_price=cheap")

    assert "should be a number" in page
    assert 'value="cheap"' in page


async def test_pages_lead_to_older_products_and_keep_the_filter(api: AsyncClient) -> None:
    for number in range(25):
        await create(api, product_name=f"Boot {number:02}", product_images=[])

    first = await look(api, f"{GRID}?product_name=Boot")
    assert "Boot 24" in first
    assert "Boot 00" not in first
    older = first.partition('rel="next" href="')[2].partition('"')[0]
    second = await look(api, GRID + older)
    assert "Boot 00" in second
    assert 'href="/console/products?product_name=Boot">Newest' in second


async def test_a_product_is_made_of_a_form(api: AsyncClient) -> None:
    answer = await fill_in(api, f"{GRID}/new", GRID, **FORM)

    assert (answer.status_code, answer.headers["location"]) == (303, f"{GRID}/1")
    product = await read(api, "/products/1")
    assert product["product_images"] == [URL, f"{URL}?2"]
    assert product["product_price"] == "119.90"


async def test_a_second_click_makes_no_second_product(api: AsyncClient) -> None:
    form = {**await hidden_in(api, f"{GRID}/new"), **FORM}

    answers = await asyncio.gather(*(send(api, GRID, **form) for _ in range(5)))

    assert [answer.headers["location"] for answer in answers] == [f"{GRID}/1"] * 5
    assert len((await read(api, "/products"))["products"]) == 1


async def test_what_was_typed_is_there_to_be_sent_again_while_the_first_click_takes_long(
    api: AsyncClient, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "LOOKS", 1)
    form = {**await hidden_in(api, f"{GRID}/new"), **FORM}
    async with app.database.transaction() as connection:
        await connection.execute("LOCK TABLE products")
        first = asyncio.create_task(send(api, GRID, **form))
        await eventually(lambda: is_waited_for(connection))
        second = await send(api, GRID, **form)

    assert second.status_code == 409
    assert f'name="once" value="{form["once"]}"' in second.text
    assert (await first).headers["location"] == f"{GRID}/1"


async def is_waited_for(connection: Connection) -> bool:
    """Whether somebody waits for a lock."""
    return await connection.fetch_row("SELECT FROM pg_locks WHERE NOT granted") is not None


async def test_the_same_product_typed_twice_is_two(api: AsyncClient) -> None:
    for number in (1, 2):
        answer = await fill_in(api, f"{GRID}/new", GRID, **FORM)
        assert answer.headers["location"] == f"{GRID}/{number}"


async def test_who_goes_back_and_writes_something_else_makes_another_product(api: AsyncClient) -> None:
    form = {**await hidden_in(api, f"{GRID}/new"), **FORM}
    await send(api, GRID, **form)

    answer = await send(api, GRID, **form | {"product_name": "Leather shoe"})

    assert answer.headers["location"] == f"{GRID}/2"


async def test_a_price_may_be_written_with_a_comma(api: AsyncClient) -> None:
    await fill_in(api, f"{GRID}/new", GRID, **FORM | {"product_price": "12,90"})

    assert (await read(api, "/products/1"))["product_price"] == "12.90"


async def test_a_form_that_is_wrong_comes_back_with_what_was_written(api: AsyncClient) -> None:
    fields = FORM | {"product_images": f"{URL}\n\nftp://shop.example/x", "product_price": "cheap"}

    answer = await fill_in(api, f"{GRID}/new", GRID, **fields)

    assert answer.status_code == 422
    assert "Line 3:" in answer.text
    assert "should be a number" in answer.text
    assert "ftp://shop.example/x" in answer.text
    assert (await read(api, "/products"))["products"] == []


async def test_each_url_that_is_wrong_is_said_with_its_line(api: AsyncClient) -> None:
    answer = await fill_in(api, f"{GRID}/new", GRID, **FORM | {"product_images": f"{URL}\nftp://a\nftp://b"})

    problem = answer.text.partition('id="product_images-problem">')[2].partition("</p>")[0]
    assert [line.partition(":")[0] for line in problem.splitlines()] == ["Line 2", "Line 3"]


@pytest.mark.parametrize(("page", "action"), [(f"{GRID}/new", GRID), (EDIT, EDIT)])
async def test_a_user_who_is_not_there_is_a_problem_of_that_field(
    api: AsyncClient, page: str, action: str
) -> None:
    await create(api)

    answer = await fill_in(api, page, action, **FORM | {"user_id": "7"})

    assert answer.status_code == 422
    assert 'id="user_id-problem">There is no user 7.' in answer.text


async def test_a_description_has_the_line_breaks_of_the_api(api: AsyncClient) -> None:
    await fill_in(api, f"{GRID}/new", GRID, **FORM | {"product_description": "One\r\ntwo"})

    assert (await read(api, "/products/1"))["product_description"] == "One\ntwo"


async def test_a_round_price_is_written_as_people_write_it(api: AsyncClient) -> None:
    await create(api, product_price=100)

    assert 'value="100"' in await look(api, EDIT)


async def test_editing_keeps_the_images_whose_url_stays(api: AsyncClient) -> None:
    image = (await create(api))["images"][0]
    assert URL in await look(api, EDIT)

    changed = FORM | {"product_images": f"{URL}?new\n{URL}", "product_name": "Shoe"}
    answer = await fill_in(api, EDIT, EDIT, **changed)

    assert answer.status_code == 303
    product = await read(api, "/products/1")
    assert product["product_name"] == "Shoe"
    assert [one["id"] == image["id"] for one in product["images"]] == [False, True]


async def test_an_edit_that_is_wrong_changes_nothing(api: AsyncClient) -> None:
    await create(api)

    answer = await fill_in(api, EDIT, EDIT, **FORM | {"product_name": ""})

    assert answer.status_code == 422
    assert (await read(api, "/products/1"))["product_name"] == "Leather boot"


async def test_saving_a_name_takes_no_image_out_that_came_meanwhile(api: AsyncClient) -> None:
    await create(api, product_images=[URL])
    await api.post("/process-image?wait=0", json={"image_url": f"{URL}?late", "product_id": 1})

    answer = await fill_in(api, EDIT, EDIT, **FORM | {"product_images": URL, "seen_product_images": URL})

    assert answer.status_code == 303
    assert (await read(api, "/products/1"))["product_images"] == [URL, f"{URL}?late"]


async def test_saving_a_name_keeps_the_price_that_somebody_else_changed_meanwhile(api: AsyncClient) -> None:
    await create(api)
    await api.patch("/products/1", json={"product_price": "99.00"})

    await fill_in(
        api, EDIT, EDIT, **FORM | {"product_name": "Shoe", "seen_product_price": FORM["product_price"]}
    )

    product = await read(api, "/products/1")
    assert (product["product_name"], product["product_price"]) == ("Shoe", "99.00")


async def test_images_that_somebody_else_changed_meanwhile_are_replaced_only_by_who_knows_it(
    api: AsyncClient,
) -> None:
    await create(api, product_images=[f"{URL}?theirs"])

    mine = FORM | {"product_images": f"{URL}?mine"}
    answer = await fill_in(api, EDIT, EDIT, **mine, seen_product_images=URL)

    assert answer.status_code == 422
    assert "changed by somebody else meanwhile" in answer.text
    assert f"{URL}?mine" in answer.text
    await fill_in(api, EDIT, EDIT, **mine)
    assert (await read(api, "/products/1"))["product_images"] == [f"{URL}?mine"]


async def test_a_user_of_thousands_of_digits_is_a_problem_of_that_field(api: AsyncClient) -> None:
    answer = await fill_in(api, f"{GRID}/new", GRID, **FORM | {"user_id": "9" * 5_000})

    assert answer.status_code == 422
    assert 'id="user_id-problem"' in answer.text


async def test_deleting_leads_back_to_the_grid(api: AsyncClient) -> None:
    await create(api)

    answer = await fill_in(api, f"{GRID}/1", f"{GRID}/1/delete")

    assert answer.headers["location"] == GRID
    assert "No products yet." in await look(api, GRID)
