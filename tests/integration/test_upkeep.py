"""`packshot gc`, `packshot store copy` and `packshot reprocess` as a person types them."""

import os
from pathlib import Path

import pytest
from tests.console import Packshot
from tests.rows import a_source, an_image, claimed, finish, keys_of

from packshot.app import App


@pytest.fixture
def lost(app: App) -> Path:
    """An old file in the store that nobody refers to."""
    file = Path(app.store.location(keys_of(a_source())[0]))
    file.parent.mkdir(parents=True)
    file.write_bytes(b"picture")
    os.utime(file, (0, 0))
    return file


async def test_gc_only_counts_unless_it_is_told_to_delete(packshot: Packshot, lost: Path) -> None:
    ended = await packshot("gc")

    assert ended.code == 0
    assert "1 files of garbage (7 B) found; --delete deletes it" in ended.out
    assert lost.exists()


async def test_gc_deletes_and_says_how_much(packshot: Packshot, lost: Path) -> None:
    told = (await packshot("gc", "--delete", "--even-most", "--json")).json()

    assert (told["files"], told["garbage"], told["garbage_bytes"], told["deleted"]) == (1, 1, 7, 1)
    assert not lost.exists()


async def test_gc_does_not_empty_a_store_that_its_database_does_not_know(
    packshot: Packshot, lost: Path
) -> None:
    ended = await packshot("gc", "--delete")

    assert ended.code == 2
    assert "PACKSHOT_DATABASE_URL" in ended.err
    assert lost.exists()


async def test_gc_leaves_alone_what_is_younger_than_asked(packshot: Packshot, lost: Path) -> None:
    assert (await packshot("gc", "--grace-hours", "1000000", "--json")).json()["young"] == 1
    assert lost.exists()


async def test_a_copy_ends_with_how_to_switch(packshot: Packshot, lost: Path, tmp_path: Path) -> None:
    old, new = (tmp_path / "store").as_uri(), (tmp_path / "new").as_uri()

    ended = await packshot("store", "copy", old, new)

    assert ended.code == 0
    assert "1 files (7 B) copied and compared" in ended.out
    assert "PACKSHOT_STORE_URL" in ended.out
    assert (tmp_path / "new" / lost.relative_to(tmp_path / "store")).read_bytes() == b"picture"


async def test_a_copy_with_a_switch_says_how_many_products_lead_there(
    packshot: Packshot, lost: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (tmp_path / "store").as_uri(), (tmp_path / "new").as_uri()
    monkeypatch.setenv("PACKSHOT_STORE_URL", new)

    told = (await packshot("store", "copy", old, new, "--switch", "--json")).json()

    assert lost.exists()
    assert (told["copied"], told["same"], told["switched_products"]) == (1, 0, 0)


async def test_products_do_not_switch_to_a_store_that_is_not_in_use(
    packshot: Packshot, lost: Path, tmp_path: Path
) -> None:
    ended = await packshot("store", "copy", lost.parents[2].as_uri(), (tmp_path / "new").as_uri(), "--switch")

    assert ended.code == 2
    assert "PACKSHOT_STORE_URL" in ended.err


async def test_a_place_without_files_is_no_move(packshot: Packshot, tmp_path: Path) -> None:
    ended = await packshot("store", "copy", (tmp_path / "typo").as_uri(), (tmp_path / "new").as_uri())

    assert ended.code == 2
    assert "no files in FROM" in ended.err


async def test_files_that_differ_are_told_and_make_the_exit_code_1(
    packshot: Packshot, lost: Path, tmp_path: Path
) -> None:
    there = tmp_path / "new" / lost.relative_to(tmp_path / "store")
    there.parent.mkdir(parents=True)
    there.write_bytes(b"damaged")

    ended = await packshot("store", "copy", (tmp_path / "store").as_uri(), (tmp_path / "new").as_uri())

    assert ended.code == 1
    assert "1 files differ" in ended.out
    assert there.read_bytes() == b"damaged"


async def test_a_store_cannot_be_copied_onto_itself(packshot: Packshot, tmp_path: Path) -> None:
    ended = await packshot("store", "copy", (tmp_path / "a").as_uri(), f"{(tmp_path / 'a').as_uri()}/")

    assert ended.code == 2
    assert "same store" in ended.err


@pytest.fixture
async def forbidden(app: App) -> int:
    """A ready image of old presets, whose source nobody may fetch any more."""
    image_id = await an_image(app.images, "http://127.0.0.1/shoe.png")
    await finish(app.images, await claimed(app.images, image_id))
    return image_id


async def test_what_could_not_be_reprocessed_is_told_by_code_and_makes_the_exit_code_1(
    packshot: Packshot, forbidden: int
) -> None:
    ended = await packshot("reprocess")

    assert ended.code == 1
    assert "address_forbidden" in ended.out
    assert "0 images brought up to date" in ended.out
    assert forbidden


async def test_reprocessing_tells_machines_the_same(packshot: Packshot, forbidden: int) -> None:
    ended = await packshot("reprocess", "--preset", "thumb", "--json")

    assert ended.code == 1
    assert ended.json() == {"images": 0, "renditions": [], "left": {"address_forbidden": 1}}
    assert forbidden


async def test_with_nothing_to_reprocess_all_is_well(packshot: Packshot) -> None:
    ended = await packshot("reprocess", "--sample", "1%", "--json")

    assert (ended.code, ended.json()["images"]) == (0, 0)


async def test_a_preset_that_does_not_exist_is_not_reprocessed(packshot: Packshot) -> None:
    ended = await packshot("reprocess", "--preset", "huge")

    assert ended.code == 2
    assert "there are large, medium, thumb" in ended.err


@pytest.mark.parametrize("sample", ["1", "0%", "101%", "%", "nan%", "a few"])
async def test_a_sample_is_a_part_of_the_whole(packshot: Packshot, sample: str) -> None:
    ended = await packshot("reprocess", "--sample", sample)

    assert ended.code == 2
    assert "--sample" in ended.err
