"""What is ours by its row and not in our hands is put back: a broken connection may have claimed it."""

import pytest
from tests.post import Post, a_sweeper, images_of
from tests.rows import an_image, another_worker, claimed, move_time, state_of

from packshot.database import Database
from packshot.images import FORGOTTEN_SECONDS, Images
from packshot.models import Claim
from packshot.workers import Desk


@pytest.fixture
def images(database: Database, desk: Desk) -> Images:
    """The images in the hands of one worker."""
    return images_of(database, desk)


async def an_old_claim(database: Database, images: Images) -> Claim:
    claim = await claimed(images, await an_image(images))
    await move_time(database, "updated_at", -FORGOTTEN_SECONDS, claim.image_id)
    return claim


async def test_an_image_that_is_ours_and_not_in_hand_is_put_back(database: Database, images: Images) -> None:
    claim = await an_old_claim(database, images)

    assert await images.release_forgotten([]) == [claim.image_id]

    assert (await claimed(images, claim.image_id)).attempt == claim.attempt + 1


async def test_to_be_forgotten_uses_up_no_attempt(database: Database, images: Images) -> None:
    claim = await an_old_claim(database, images)

    await images.release_forgotten([])

    image = await images.get(claim.image_id)
    assert (image["state"], image["max_attempts"] - image["attempt"], image["losses"]) == ("pending", 5, 0)


async def test_what_is_in_hand_stays_there(database: Database, images: Images) -> None:
    held, forgotten = await an_old_claim(database, images), await an_old_claim(database, images)

    assert await images.release_forgotten([held.image_id]) == [forgotten.image_id]

    assert await state_of(images, held.image_id) == "processing"


async def test_a_young_claim_may_be_on_its_way_to_us(images: Images) -> None:
    claim = await claimed(images, await an_image(images))

    assert await images.release_forgotten([]) == []

    assert await state_of(images, claim.image_id) == "processing"


async def test_what_others_have_is_not_ours_to_put_back(database: Database, images: Images) -> None:
    claim = await an_old_claim(database, another_worker(database))

    assert await images.release_forgotten([]) == []

    assert await state_of(images, claim.image_id) == "processing"


async def test_an_image_that_is_moving_at_this_moment_is_passed_over(
    database: Database, images: Images
) -> None:
    claim = await an_old_claim(database, images)

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", claim.image_id)
        assert await images.release_forgotten([]) == []


async def test_a_sweeper_puts_back_what_is_not_on_its_desk(
    database: Database, desk: Desk, images: Images
) -> None:
    held, forgotten = await an_old_claim(database, images), await an_old_claim(database, images)
    desk.take(held.image_id)

    await a_sweeper(database, desk, Post()).rescue()

    assert await state_of(images, held.image_id) == "processing"
    assert await state_of(images, forgotten.image_id) == "pending"
