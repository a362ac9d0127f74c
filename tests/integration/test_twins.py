"""Images with the same bytes: the second gets what was made for the first."""

from tests.rows import a_source, an_image, claimed, finish, keys_of, renditions_of

from packshot.images import Images
from packshot.models import Rendered


async def a_twin_of(images: Images, data: bytes, keys: list[str]) -> Rendered | None:
    claim = await claimed(images, await an_image(images))
    return await images.note_source(claim, a_source(data), keys)


async def test_the_first_of_two_twins_has_the_work(images: Images) -> None:
    assert await a_twin_of(images, b"shoe", keys_of(a_source(b"shoe"))) is None


async def test_the_second_of_two_twins_gets_the_renditions(images: Images) -> None:
    source = a_source(b"shoe")
    await finish(images, await claimed(images, await an_image(images)), b"shoe")

    assert await a_twin_of(images, b"shoe", keys_of(source)) == renditions_of(source)


async def test_renditions_come_in_the_order_they_are_asked_for(images: Images) -> None:
    await finish(images, await claimed(images, await an_image(images)), b"shoe")
    backwards = keys_of(a_source(b"shoe"))[::-1]

    twin = await a_twin_of(images, b"shoe", backwards)

    assert twin
    assert [rendition.key for rendition in twin.renditions] == backwards


async def test_with_a_new_preset_a_twin_is_made_anew(images: Images) -> None:
    await finish(images, await claimed(images, await an_image(images)), b"shoe")
    keys = keys_of(a_source(b"shoe"))
    new = keys[0].replace("large", "small")

    assert await a_twin_of(images, b"shoe", [*keys, new]) is None


async def test_other_bytes_are_no_twin(images: Images) -> None:
    await finish(images, await claimed(images, await an_image(images)), b"shoe")

    assert await a_twin_of(images, b"boot", keys_of(a_source(b"boot"))) is None
