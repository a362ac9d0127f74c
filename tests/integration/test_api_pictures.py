"""The pictures themselves over HTTP: which format, and what caches may think of it."""

from dataclasses import replace

import pytest
from httpx import AsyncClient
from tests.rows import a_source, claimed, finish, keys_of, renditions_of
from tests.shop import URL, problem_in

from packshot.app import App
from packshot.presets import CONTENT_TYPES

AVIF, JPEG = b"an AVIF picture", b"a JPEG picture"
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OLD_SAFARI = "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


@pytest.fixture
async def url(app: App) -> str:
    """The URL of a ready image with `large` in AVIF and JPEG."""
    image_id = (await app.images.add(URL))["image_id"]
    await finish(app.images, await claimed(app.images, image_id))
    for key, data, format_ in zip(keys_of(a_source()), (AVIF, JPEG), ("avif", "jpeg"), strict=True):
        file = app.settings.data_dir / format_
        file.write_bytes(data)
        await app.store.put(key, file, CONTENT_TYPES[format_])
    return f"/images/{image_id}"


@pytest.mark.parametrize(
    ("accept", "picture"),
    [
        (CHROME, AVIF),
        (OLD_SAFARI, JPEG),
        ("*/*", JPEG),  # curl
        ("", JPEG),
        ("image/avif", AVIF),
        ("IMAGE/AVIF", AVIF),
        ("image/jpeg, image/avif", AVIF),
        ("image/avif;q=0, */*", JPEG),
        ("image/avif; q=0.000, image/jpeg", JPEG),
        ("image/avif;q=0.1, image/webp", AVIF),
        ("image/jpeg;q=0, */*", AVIF),
        ("text/html", JPEG),
        (",;=", JPEG),
    ],
)
async def test_the_format_is_the_best_that_the_client_names(
    api: AsyncClient, url: str, accept: str, picture: bytes
) -> None:
    answer = await api.get(f"{url}/large", headers={"accept": accept})

    assert answer.status_code == 200
    assert answer.content == picture
    assert answer.headers["content-type"] == ("image/avif" if picture == AVIF else "image/jpeg")
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(("suffix", "picture"), [(".avif", AVIF), (".jpg", JPEG)])
async def test_a_suffix_asks_for_one_format_whatever_is_accepted(
    api: AsyncClient, url: str, suffix: str, picture: bytes
) -> None:
    answer = await api.get(f"{url}/large{suffix}", headers={"accept": "text/html"})

    assert answer.content == picture
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "name", ["huge", "large.webp", "large.jpeg", "large.", "LARGE", "large.jpg.avif", "%00"]
)
async def test_a_rendition_that_was_not_made_is_not_found(api: AsyncClient, url: str, name: str) -> None:
    assert "no rendition" in problem_in(await api.get(f"{url}/{name}"), 404)["detail"]


async def test_an_image_that_is_not_ready_has_no_picture_yet(api: AsyncClient, app: App) -> None:
    image_id = (await app.images.add(URL))["image_id"]

    problem = problem_in(await api.get(f"/images/{image_id}/large"), 404)

    assert problem["detail"] == f"Image {image_id} is pending and has no rendition 'large'."


@pytest.mark.parametrize("name", ["large.avif", "large.jpg", "large"])
async def test_a_picture_whose_url_names_its_recipe_may_be_kept_for_ever(
    api: AsyncClient, url: str, name: str
) -> None:
    answer = await api.get(f"{url}/{name}?v=01234567")

    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("version", ["", "?v=", "?v=76543210", "?v=0", "?v=0123456789abcdef", "?V=01234567"])
async def test_a_picture_whose_url_names_no_recipe_or_an_old_one_is_seen_anew_after_minutes(
    api: AsyncClient, url: str, version: str
) -> None:
    answer = await api.get(f"{url}/large.avif{version}")

    assert answer.content == AVIF
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["etag"]


async def test_the_urls_that_the_api_names_may_be_kept_for_ever(api: AsyncClient, url: str) -> None:
    for rendition in (await api.get(url)).json()["renditions"]:
        assert "immutable" in (await api.get(rendition["url"])).headers["cache-control"]


async def test_a_picture_is_nothing_but_a_picture(api: AsyncClient, url: str) -> None:
    headers = (await api.get(f"{url}/large")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_each_format_has_an_etag_of_its_own(api: AsyncClient, url: str) -> None:
    etags = {(await api.get(f"{url}/large{suffix}")).headers["etag"] for suffix in (".avif", ".jpg")}

    assert len(etags) == 2
    assert (await api.get(f"{url}/large", headers={"accept": CHROME})).headers["etag"] in etags


async def test_a_picture_that_was_made_twice_has_the_etag_of_the_later_file(
    api: AsyncClient, app: App, url: str
) -> None:
    before = (await api.get(f"{url}/large.jpg")).headers["etag"]
    claim, made = (
        await claimed(app.images, (await app.images.add(URL))["image_id"]),
        renditions_of(a_source()),
    )
    await app.images.note_source(claim, a_source())
    again = tuple(replace(one, bytes=one.bytes + 1) for one in made.renditions)

    await app.images.finish(claim, replace(made, renditions=again), "/store/shoe", {})

    assert (await api.get(f"{url}/large.jpg")).headers["etag"] != before


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"something", {etag}', "*"])
async def test_a_picture_that_the_client_has_is_not_sent_again(
    api: AsyncClient, url: str, known: str
) -> None:
    first = await api.get(f"{url}/large")

    answer = await api.get(
        f"{url}/large", headers={"if-none-match": known.format(etag=first.headers["etag"])}
    )

    assert (answer.status_code, answer.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert answer.headers[name] == first.headers[name]


@pytest.mark.parametrize("known", ['"something"', "", "large"])
async def test_a_client_that_has_another_picture_gets_this_one(
    api: AsyncClient, url: str, known: str
) -> None:
    answer = await api.get(f"{url}/large", headers={"if-none-match": known})

    assert answer.content == JPEG


async def test_the_etag_of_one_format_does_not_stand_for_another(api: AsyncClient, url: str) -> None:
    etag = (await api.get(f"{url}/large.jpg")).headers["etag"]

    answer = await api.get(f"{url}/large", headers={"accept": CHROME, "if-none-match": etag})

    assert answer.content == AVIF


async def test_head_answers_as_get_does(api: AsyncClient, url: str) -> None:
    head, get = [await ask(f"{url}/large", headers={"X-Request-Id": "7"}) for ask in (api.head, api.get)]

    assert head.status_code == 200
    assert head.headers == get.headers
    assert head.headers["content-length"] == str(len(JPEG))


async def test_a_part_of_a_picture_is_enough_for_who_asks_for_one(api: AsyncClient, url: str) -> None:
    answer = await api.get(f"{url}/large.jpg", headers={"range": "bytes=2-5"})

    assert (answer.status_code, answer.content) == (206, JPEG[2:6])
    assert answer.headers["content-range"] == f"bytes 2-5/{len(JPEG)}"


async def test_a_part_that_is_not_there_is_refused_with_the_size(api: AsyncClient, url: str) -> None:
    answer = await api.get(f"{url}/large.jpg", headers={"range": "bytes=1000-"})

    problem_in(answer, 416)
    assert answer.headers["content-range"] == f"bytes */{len(JPEG)}"


async def test_a_part_of_what_is_still_the_same_picture_is_a_part(api: AsyncClient, url: str) -> None:
    etag = (await api.get(f"{url}/large.jpg")).headers["etag"]

    answer = await api.get(f"{url}/large.jpg", headers={"range": "bytes=2-5", "if-range": etag})

    assert answer.content == JPEG[2:6]


async def test_a_picture_says_that_it_can_be_had_in_parts(api: AsyncClient, url: str) -> None:
    assert (await api.get(f"{url}/large.jpg")).headers["accept-ranges"] == "bytes"


async def test_a_part_of_what_is_another_picture_by_now_is_all_of_it(api: AsyncClient, url: str) -> None:
    headers = {"range": "bytes=2-5", "if-range": '"something"'}

    assert (await api.get(f"{url}/large.jpg", headers=headers)).content == JPEG


async def test_a_picture_that_is_not_in_the_store_is_not_found(api: AsyncClient, app: App, url: str) -> None:
    await app.store.delete(keys_of(a_source())[1])

    problem_in(await api.get(f"{url}/large.jpg"), 404)


async def test_a_picture_may_be_embedded_by_other_sites(api: AsyncClient, url: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}

    assert (await api.get(f"{url}/large", headers=headers)).status_code == 200


@pytest.mark.parametrize("header", ["range", "if-none-match", "accept", "if-range"])
@pytest.mark.parametrize(
    "value", ["bytes=" + "9" * 30_000 + "-", "bytes=" + "0-1," * 7_500, '"a";q=0,' * 3_750]
)
async def test_a_header_as_long_as_may_be_is_no_reason_to_fail(
    api: AsyncClient, url: str, header: str, value: str
) -> None:
    answer = await api.get(f"{url}/large.jpg", headers={header: value})

    assert answer.status_code == 200
    assert answer.content == JPEG
