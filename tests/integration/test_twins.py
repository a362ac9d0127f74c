"""Images with the same bytes: the second gets what was made for the first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.kitchen import PRESETS, MakePipeline, compress
from tests.rows import a_source, an_image, claimed, finish, renditions_of

from packshot.database import Database
from packshot.images import Images
from packshot.models import Compressed, Facts, Preset, Rendered

FACTS: Final = Facts(
    "#a0b0c0", "3OcRJYB4d3h/iIeHeEh3eIhw+j2w", has_transparency=False, whiteness=1, sharpness=0.5
)


class Watched:
    """The stand-in of the decoder, and what it was asked for: presets with their formats."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []

    async def __call__(self, source: Path, folder: Path, presets: Sequence[Preset], /) -> Compressed:
        self.asked.append({preset.name: [one.format for one in preset.encodings] for preset in presets})
        return replace(await compress(source, folder, presets), facts=FACTS)


async def a_twin_of(images: Images, data: bytes) -> Rendered | None:
    claim = await claimed(images, await an_image(images))
    return await images.note_source(claim, a_source(data))


async def test_the_first_of_two_twins_has_the_work(images: Images) -> None:
    assert await a_twin_of(images, b"shoe") is None


async def test_the_second_of_two_twins_gets_the_renditions_and_the_facts(images: Images) -> None:
    source = a_source(b"shoe")
    made = replace(renditions_of(source), facts=FACTS)
    claim = await claimed(images, await an_image(images))
    await images.note_source(claim, source)
    await images.finish(claim, made, "/store/shoe", {})

    assert await a_twin_of(images, b"shoe") == made


async def test_other_bytes_are_no_twin(images: Images) -> None:
    await finish(images, await claimed(images, await an_image(images)), b"shoe")

    assert await a_twin_of(images, b"boot") is None


async def test_what_was_made_of_a_source_that_nobody_has_seen_whole_is_not_relied_on(
    images: Images, database: Database
) -> None:
    image_id = await an_image(images)
    await finish(images, await claimed(images, image_id), b"shoe")
    await database.execute("DELETE FROM images WHERE image_id = $1", image_id)

    assert await a_twin_of(images, b"shoe") is None


async def test_a_twin_is_never_made_again(make_pipeline: MakePipeline, images: Images) -> None:
    decoder = Watched()
    pipeline = make_pipeline(compress=decoder)
    claims = [await claimed(images, await an_image(images)) for _ in range(2)]
    for claim in claims:
        await pipeline.process(claim)

    rows = [await images.get(claim.image_id) for claim in claims]
    assert decoder.asked == [{"large": ["avif", "jpeg"], "small": ["avif"]}]
    assert rows[0]["renditions"] == rows[1]["renditions"]
    assert rows[0]["facts"] == rows[1]["facts"] != {}


async def test_only_what_a_twin_has_not_is_made_of_a_picture(
    make_pipeline: MakePipeline, images: Images, database: Database
) -> None:
    decoder = Watched()
    pipeline = make_pipeline(compress=decoder)
    first, second = [await claimed(images, await an_image(images)) for _ in range(2)]
    await pipeline.process(first)
    await database.execute("DELETE FROM renditions WHERE format = 'jpeg'")  # as if it had been another recipe

    await pipeline.process(second)

    made = (await images.get(second.image_id))["renditions"]
    assert decoder.asked[1:] == [{"large": ["jpeg"]}]
    assert [(one["preset"], one["format"]) for one in made] == [
        (preset.name, encoding.format) for preset in PRESETS for encoding in preset.encodings
    ]


async def test_facts_that_a_twin_has_are_not_replaced_by_those_of_a_part_of_the_work(
    make_pipeline: MakePipeline, images: Images, database: Database
) -> None:
    first, second = [await claimed(images, await an_image(images)) for _ in range(2)]
    await make_pipeline(compress=Watched()).process(first)
    await database.execute("DELETE FROM renditions WHERE format = 'jpeg'")

    async def of_a_part(source: Path, folder: Path, presets: Sequence[Preset], /) -> Compressed:
        return replace(await compress(source, folder, presets), facts=replace(FACTS, colour="#000000"))

    await make_pipeline(compress=of_a_part).process(second)

    assert (await images.get(second.image_id))["facts"]["colour"] == FACTS.colour


async def test_of_two_that_made_the_same_the_row_describes_the_later_file(images: Images) -> None:
    source = a_source(b"shoe")
    claims = [await claimed(images, await an_image(images)) for _ in range(2)]
    for claim in claims:
        await images.note_source(claim, source)
    made = renditions_of(source)
    later = tuple(replace(one, width=8, height=6, bytes=1, quality=50, score=0.5) for one in made.renditions)

    for claim, rendered in zip(claims, (made, replace(made, renditions=later)), strict=True):
        await images.finish(claim, rendered, "/store/shoe", {})

    twin = await a_twin_of(images, b"shoe")
    assert twin
    assert twin.renditions == later


async def test_a_twin_is_recognised_by_its_recipe_whatever_format_came_out(
    make_pipeline: MakePipeline, images: Images
) -> None:
    decoder = Watched()

    async def stand_in(source: Path, folder: Path, presets: Sequence[Preset], /) -> Compressed:
        made = await decoder(source, folder, presets)
        return replace(made, pictures=tuple(replace(one, format="png") for one in made.pictures))

    pipeline = make_pipeline(compress=stand_in)
    for _ in range(2):
        claim = await claimed(images, await an_image(images))
        await pipeline.process(claim)

    made = (await images.get(claim.image_id))["renditions"]
    assert len(decoder.asked) == 1
    assert {one["key"].rpartition(".")[2] for one in made} == {one["format"] for one in made} == {"png"}
