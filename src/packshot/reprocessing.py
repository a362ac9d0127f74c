"""
Brings ready images to the presets of today: downloads again, makes what is missing, replaces what is old.

Nothing is taken from an image before it has the new. What cannot be had any more, because the source is gone,
broken or another picture by now, leaves the image as it was, and is counted. There is no list of what is to
be done: rows say what is outdated, so whoever comes next, or at the same time, goes on from there.

It is work for quiet hours: nothing is begun while workers have something new to do. No claims, no leases, no
messages: nobody waits for this.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from packshot.collector import Collector
from packshot.comparison import Comparison
from packshot.errors import ImageError, ServiceUnavailable, SourceBusy, SourceThrottled
from packshot.lifecycle import LONGEST_RELEASE_SECONDS
from packshot.making import Compress, chosen, keep, missing, name_of, wanted
from packshot.models import Compressed, Preset, Rendered, Rendition
from packshot.outdated import OutdatedImages, ReadyImage
from packshot.politeness import Download
from packshot.stores import Store
from packshot.workers import Desk

log = logging.getLogger(__name__)

Result = TypeVar("Result")

QUIET_SECONDS: Final = 1  # from one look for new work to the next
FIRST_PAUSE_SECONDS: Final = 1
LONGEST_BUSY_SECONDS: Final = 120  # a server that asks for more is left for another run
STORED_AT_ONCE: Final = 4  # each has a connection of ten to the database
CHANGED: Final = "source_changed"
MOVED: Final = "moved_meanwhile"
BUG: Final = "unforeseen"


class Reprocessing:
    """One look at all images, or a `share` of them. `comparison` is true at any moment.

    `presets` are to be brought up to date, out of all that there are `today`; at most `hands` images are
    worked on at once.
    """

    def __init__(  # noqa: PLR0913 - the rooms an image passes through
        self,
        *,
        outdated: OutdatedImages,
        desk: Desk,
        download: Download,
        compress: Compress,
        store: Store,
        collector: Collector,
        presets: Sequence[Preset],
        today: Sequence[Preset],
        hands: int,
        share: float = 1,
    ) -> None:
        self._outdated = outdated
        self._desk = desk
        self._download = download
        self._compress = compress
        self._store = store
        self._collector = collector
        self._presets = presets
        self._order = [preset.name for preset in today]
        self._others = {*self._order} - {preset.name for preset in presets}
        self._names = [name_of(*one) for one in wanted(presets)]
        self._hands = asyncio.Semaphore(hands)
        self._share = share
        self._storing = asyncio.Semaphore(STORED_AT_ONCE)
        self.comparison = Comparison()

    async def last_id(self) -> int:
        """Return how far `run` will report to have come."""
        return await self._outdated.last_id()

    async def run(self, report: Callable[[int], None]) -> None:
        """Bring up to date what is not, and report the id of each image that was looked at."""
        async with asyncio.TaskGroup() as in_hand:
            async for twins in self._families(report):
                await self._hands.acquire()
                await self._until_quiet()
                in_hand.create_task(self._bring_all(twins, report))

    async def _families(self, report: Callable[[int], None]) -> AsyncIterator[Sequence[int]]:
        """Yield the ids of outdated images, those of one source together."""
        after = 0
        while up_to := await patiently(partial(self._outdated.end_of_page, after)):
            found = await patiently(
                partial(self._outdated.find, after, up_to, self._share, self._names, self._others)
            )
            for twins in _by_source(found):
                yield twins
            after = up_to
            if not found:
                report(up_to)

    async def _until_quiet(self) -> None:
        while await patiently(self._outdated.is_new_work_waiting):  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(QUIET_SECONDS)

    async def _bring_all(self, twins: Sequence[int], report: Callable[[int], None]) -> None:
        """Bring one after the other: the second finds what was made for the first."""
        try:
            for image_id in twins:
                await self._bring_or_leave(image_id)
                report(image_id)
        finally:
            self._hands.release()

    async def _bring_or_leave(self, image_id: int) -> None:
        try:
            await patiently(partial(self._bring, image_id))
        except SourceBusy as busy:
            self._leave(image_id, SourceThrottled.code, busy)
        except ImageError as error:
            self._leave(image_id, error.code, error)
        except Exception:  # a bug, and maybe of this picture only
            log.exception("image left as it was", extra={"image_id": image_id})
            self.comparison.left[BUG] += 1

    def _leave(self, image_id: int, code: str, reason: object) -> None:
        log.info("image left as it was", extra={"image_id": image_id, "code": code, "reason": str(reason)})
        self.comparison.left[code] += 1

    async def _bring(self, image_id: int) -> None:
        image = await self._outdated.get(image_id)
        if image is None or self._is_complete(image):  # removed, or done by somebody else
            return
        lacking = missing(self._presets, image.of_source.renditions)
        with self._desk.job_folder(image.image_id, image.attempt) as folder:
            if lacking and not await self._has_same_source(image, folder / "source"):
                self._leave(image_id, CHANGED, "The source is another picture now.")
                return
            await patiently(partial(self._renew, image, lacking, folder))

    def _is_complete(self, image: ReadyImage) -> bool:
        has = [(one.preset, one.recipe) for one in image.renditions if one.preset not in self._others]
        return has == self._names

    async def _has_same_source(self, image: ReadyImage, to: Path) -> bool:
        return (await self._download(image.source_url, to)).sha256 == image.source_sha256

    async def _renew(self, image: ReadyImage, lacking: Sequence[Preset], folder: Path) -> None:
        """Make what is lacking, and put it in the place of the old."""
        compressed = await self._compress(folder / "source", folder, lacking) if lacking else None
        async with self._storing, self._outdated.alone_with(image.source_sha256) as connection:
            made = await self._keep(image, lacking, compressed)
            new = self._complete(image, made, compressed)
            location = self._store.location(new.renditions[0].key)
            keys = [one.key for one in made]
            is_done = await self._outdated.replace(connection, image, new, location, keys)
        if is_done:
            self._compare(image, new)
        else:  # the image may have gone, and with it the last that needs these files
            await self._collector.collect([image.source_sha256], keys)
            await self._look_again(image.image_id)

    async def _look_again(self, image_id: int) -> None:
        image = await self._outdated.get(image_id)
        if image and not self._is_complete(image):
            self._leave(image_id, MOVED, "The image has changed meanwhile.")

    async def _keep(
        self, image: ReadyImage, lacking: Sequence[Preset], compressed: Compressed | None
    ) -> Sequence[Rendition]:
        return await keep(self._store, image.source_sha256, lacking, compressed) if compressed else ()

    def _complete(
        self, image: ReadyImage, made: Iterable[Rendition], compressed: Compressed | None
    ) -> Rendered:
        """Return all renditions that the image will have; those of presets that are no more are not."""
        renewed = chosen(self._presets, [*image.of_source.renditions, *made])
        kept = [rendition for rendition in image.renditions if rendition.preset in self._others]
        renditions = sorted([*renewed, *kept], key=lambda one: self._order.index(one.preset))
        # Others may have been measured on a part of the presets only.
        facts = image.of_source.facts or (compressed.facts if compressed else None)
        return Rendered(image.of_source.width, image.of_source.height, tuple(renditions), facts)

    def _compare(self, image: ReadyImage, new: Rendered) -> None:
        formats = [encoding.format for _, encoding in wanted(self._presets)]
        renewed = chosen(self._presets, new.renditions)
        self.comparison.add(image.renditions, zip(formats, renewed, strict=True))


async def patiently(act: Callable[[], Awaitable[Result]]) -> Result:
    """Do it again, however often, while it is our own infrastructure or a full server that is in the way.

    Raises SourceBusy when a server does not want to see us for long.
    """
    pause: float = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await act()
        except SourceBusy as busy:
            if busy.retry_after_seconds > LONGEST_BUSY_SECONDS:
                raise
            await asyncio.sleep(busy.retry_after_seconds)
        except ServiceUnavailable as trouble:
            log.warning("waiting", extra={"seconds": pause, "reason": str(trouble)})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RELEASE_SECONDS)


def _by_source(found: Iterable[tuple[int, str]]) -> Iterable[list[int]]:
    families: dict[str, list[int]] = {}
    for image_id, source_sha256 in found:
        families.setdefault(source_sha256, []).append(image_id)
    return families.values()
