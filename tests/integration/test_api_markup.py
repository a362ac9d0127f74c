"""The HTML of a picture: a browser finds what it needs in it, and nothing else gets into a page."""

from html.parser import HTMLParser

import pytest
import pyvips
from httpx import AsyncClient
from tests.ready import made, show
from tests.shop import URL, create, problem_in, wrong_fields

from packshot.app import App

PHOTO = [
    made(preset, format_, width, width * 3 // 4)
    for preset, width in (("large", 1600), ("medium", 800), ("thumb", 200))
    for format_ in ("avif", "jpeg")
]
HOSTILE = "\"><script>alert('&amp;')</script><img src=x onerror=\"a()\n\t"


class Page(HTMLParser):
    """The tags of a page, in order, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(f"<!doctype html><body>{html}</body>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]

    def image(self) -> dict[str, str | None]:
        return self.tags[-1][1]

    def candidates(self) -> list[tuple[str, str, int]]:
        """Each type, URL and width that a browser may choose from."""
        return [
            (str(attributes.get("type", "image/jpeg")), url, int(width.removesuffix("w")))
            for _, attributes in self.tags[2:]
            for url, width in (one.split(" ") for one in str(attributes["srcset"]).split(", "))
        ]


async def pasted(api: AsyncClient, url: str, **params: str) -> Page:
    answer = await api.get(f"{url}/markup", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


@pytest.fixture
async def image_id(app: App) -> int:
    return int((await app.images.add(URL))["image_id"])


async def test_every_url_in_a_page_leads_to_a_picture_of_the_type_and_width_that_it_promises(
    api: AsyncClient, app: App, image_id: int
) -> None:
    page = await pasted(api, await show(app, image_id, *PHOTO))

    assert page.names() == ["body", "picture", "source", "img"]
    assert [(kind, width) for kind, _, width in page.candidates()] == [
        (kind, width) for kind in ("image/avif", "image/jpeg") for width in (1600, 800, 200)
    ]
    for kind, url, width in page.candidates():
        answer = await api.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert pyvips.Image.new_from_buffer(answer.content, "").width == width
        assert "immutable" in answer.headers["cache-control"]


async def test_the_image_says_its_size_and_colour_before_it_is_there(
    api: AsyncClient, app: App, image_id: int
) -> None:
    image = (await pasted(api, await show(app, image_id, *PHOTO))).image()

    assert image["src"] == f"http://localhost/images/{image_id}/large.jpg?v={PHOTO[1].recipe[:8]}"
    assert (image["width"], image["height"]) == ("1600", "1200")
    assert image["style"] == "background-color:#c82828"
    assert (image["loading"], image["decoding"], image["alt"]) == ("lazy", "async", "")


async def test_an_image_of_which_nothing_is_known_has_no_colour(
    api: AsyncClient, app: App, image_id: int
) -> None:
    assert "style" not in (await pasted(api, await show(app, image_id, *PHOTO, facts=None))).image()


@pytest.mark.parametrize(
    ("params", "expected"),
    [({}, "100vw"), ({"sizes": "(max-width: 60em) 50vw, 400px"}, "(max-width: 60em) 50vw, 400px")],
)
async def test_sizes_are_the_whole_width_unless_the_page_knows_better(
    api: AsyncClient, app: App, image_id: int, params: dict[str, str], expected: str
) -> None:
    page = await pasted(api, await show(app, image_id, *PHOTO), **params)

    assert [attributes["sizes"] for _, attributes in page.tags[2:]] == [expected, expected]


async def test_a_picture_of_a_product_is_described_by_its_name_unless_the_page_says_more(
    api: AsyncClient, app: App
) -> None:
    product = await create(api, product_name=HOSTILE)
    url = await show(app, product["images"][0]["id"], *PHOTO)

    assert (await pasted(api, url)).image()["alt"] == product["product_name"]
    assert (await pasted(api, url, alt="")).image()["alt"] == ""
    assert (await pasted(api, url, alt="Brown")).image()["alt"] == "Brown"


@pytest.mark.parametrize("name", ["alt", "sizes"])
async def test_what_comes_from_outside_stays_inside_its_attribute(
    api: AsyncClient, app: App, image_id: int, name: str
) -> None:
    page = await pasted(api, await show(app, image_id, *PHOTO), **{name: HOSTILE})

    assert page.names() == ["body", "picture", "source", "img"]
    assert page.image()[name] == HOSTILE
    assert set(page.image()) == {
        *("src", "srcset", "sizes", "width", "height", "alt", "loading", "decoding", "style")
    }


async def test_a_hostile_host_stays_inside_its_attribute(api: AsyncClient, app: App, image_id: int) -> None:
    url = await show(app, image_id, *PHOTO)

    answer = await api.get(f"{url}/markup", headers={"host": 'a"><script>x</script>'})

    assert "script" not in Page(answer.text).names()


@pytest.mark.parametrize("name", ["alt", "sizes"])
async def test_a_text_that_is_too_long_for_an_attribute_is_refused(
    api: AsyncClient, app: App, image_id: int, name: str
) -> None:
    url = await show(app, image_id, *PHOTO)

    assert wrong_fields(await api.get(f"{url}/markup", params={name: "x" * 301})) == [name]


async def test_an_image_without_renditions_has_no_markup_yet(api: AsyncClient, image_id: int) -> None:
    problem = problem_in(await api.get(f"/images/{image_id}/markup"), 404)

    assert problem["detail"] == f"Image {image_id} is pending and has no renditions to show."


async def test_an_image_that_is_not_there_has_no_markup(api: AsyncClient) -> None:
    assert problem_in(await api.get("/images/77/markup"), 404)["detail"] == "There is no image 77."


async def test_head_answers_as_get_does(api: AsyncClient, app: App, image_id: int) -> None:
    url = f"{await show(app, image_id, *PHOTO)}/markup"

    head, get = [await ask(url, headers={"X-Request-Id": "7"}) for ask in (api.head, api.get)]

    assert (head.status_code, head.headers) == (200, get.headers)
