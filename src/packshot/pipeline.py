"""
The way of one image: download, compress, store, finish. Or: judge what went wrong.

From the claim on, the lease protects the work. Whatever happens here, the row ends in a state that
somebody can act on, or the lease runs out and the sweeper brings the image back.

Two waits do without the image's slot, because they may be long and cost nothing: the one for the source,
and the one for a twin.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Final

from packshot.account import Account
from packshot.collector import Collector
from packshot.errors import ImageError, PackshotError, ServiceUnavailable, StaleClaim
from packshot.images import Images
from packshot.lifecycle import LONGEST_RELEASE_SECONDS, GiveUp, Release, Retry, RetryPolicy, judge
from packshot.making import Compress, chosen, keep, missing
from packshot.models import Claim, Preset, Rendered, Source
from packshot.politeness import Download
from packshot.pulse import Pulse
from packshot.stores import Store
from packshot.telemetry import Span, about, no_span
from packshot.workers import Desk

FIRST_PAUSE_SECONDS: Final = 1


class Pipeline:
    """Takes claimed images all the way."""

    def __init__(  # noqa: PLR0913 - the rooms an image passes through
        self,
        *,
        images: Images,
        desk: Desk,
        pulse: Pulse,
        download: Download,
        compress: Compress,
        store: Store,
        collector: Collector,
        presets: Sequence[Preset],
        policy: RetryPolicy,
        count: Callable[[Account], None],
        span: Span = no_span,
    ) -> None:
        self._images = images
        self._desk = desk
        self._pulse = pulse
        self._download = download
        self._compress = compress
        self._store = store
        self._collector = collector
        self._presets = presets
        self._policy = policy
        self._count = count
        self._span = span
        self._pause = Pause()
        self._families: defaultdict[str, Family] = defaultdict(Family)

    async def process(self, claim: Claim) -> None:
        """Bring the image to its next state. Raises ServiceUnavailable when even that cannot be written."""
        account = Account(self._span)
        with about(request_id=claim.request_id, **identity(claim)):
            try:
                with self._span("attempt", claim.traceparent, **identity(claim)) as note:
                    await self._attempt(claim, account)
                    note(outcome=account.outcome, code=account.code)
            finally:
                account.tell()
                self._count(account)

    async def _attempt(self, claim: Claim, account: Account) -> None:
        started = monotonic()
        try:
            with self._desk.job_folder(claim.image_id, claim.attempt) as folder:
                await self._render(claim, folder, account)
        except StaleClaim as stale:
            self._discard(account, stale)
        except PackshotError as error:
            await self._record_failure(claim, account, self._excused(error, started))
        except asyncio.CancelledError:  # we are shutting down: somebody else shall have it at once
            with suppress(PackshotError):  # or has it already
                await self._images.release(claim, Release(delay_seconds=0))
                account.ends("released", "This process ends.")
            raise

    async def _render(self, claim: Claim, folder: Path, account: Account) -> None:
        source = await self._fetch(claim.source_url, folder / "source", account)
        keys: list[str] = []
        async with self._turn_among_twins(source) as family:
            try:
                twin = await self._images.note_source(claim, source)
                with family.one_try():
                    rendered = await self._complete(twin, source, folder, account)
                keys = [rendition.key for rendition in rendered.renditions]
                timings = dict(account.milliseconds)
                with account.step("finish"):
                    await self._images.finish(claim, rendered, self._store.location(keys[0]), timings)
            except StaleClaim:
                await self._collector.collect([source.sha256], keys)
                raise
        account.delivers(rendered.renditions)

    async def _fetch(self, url: str, to: Path, account: Account) -> Source:
        await self._pause.over()
        async with self._desk.slots.stepping_aside():
            with account.step("download"):
                source = await self._download(url, to)
        account.bytes_in = source.bytes
        return source

    @asynccontextmanager
    async def _turn_among_twins(self, source: Source) -> AsyncIterator["Family"]:
        """Be the only one with these bytes in the block."""
        family = self._families[source.sha256]
        family.members += 1
        try:
            async with AsyncExitStack() as turn:
                async with self._desk.slots.stepping_aside():
                    await turn.enter_async_context(family.turn)
                yield family
        finally:
            family.members -= 1
            if not family.members:
                del self._families[source.sha256]

    async def _complete(
        self, twin: Rendered | None, source: Source, folder: Path, account: Account
    ) -> Rendered:
        """Take what a twin has, and make the rest."""
        had = twin.renditions if twin else ()
        lacking = missing(self._presets, had)
        if twin and not lacking:
            return replace(twin, renditions=chosen(self._presets, had))
        with account.step("compress", presets=",".join(preset.name for preset in lacking)):
            compressed = await self._compress(folder / "source", folder, lacking)
        with account.step("store"), self._pause.after_trouble():
            made = await keep(self._store, source.sha256, lacking, compressed)
        renditions = chosen(self._presets, [*had, *made])
        # Others may have been measured on a part of the presets only.
        facts = (twin and twin.facts) or compressed.facts
        return Rendered(compressed.width, compressed.height, renditions, facts)

    def _excused(self, error: PackshotError, started: float) -> PackshotError:
        """Take what timed out while we stood still upon ourselves."""
        if isinstance(error, ImageError) and error.transient and self._pulse.stood_still_since(started):
            return ServiceUnavailable(f"This process stood still for a while. ({error})")
        return error

    async def _record_failure(self, claim: Claim, account: Account, error: PackshotError) -> None:
        verdict = judge(error, claim.attempt, claim.max_attempts, self._policy)
        try:
            match verdict:
                case Retry():
                    await self._images.retry(claim, verdict)
                case Release():
                    await self._images.release(claim, verdict)
                case GiveUp():
                    await self._images.give_up(claim, verdict)
            account.fails(error, verdict)
        except StaleClaim as stale:
            self._discard(account, stale)

    def _discard(self, account: Account, stale: StaleClaim) -> None:
        self._desk.count("late_results")
        account.ends("discarded", str(stale))


def identity(claim: Claim) -> dict[str, str | int | None]:
    """Return what an attempt is about, for lines and spans."""
    return {
        "image_id": claim.image_id,
        "product_id": claim.product_id,
        "attempt": claim.attempt,
        "source_url": claim.source_url,
    }


class Family:
    """Images with the same bytes that are here at the same time: what fails one of them, fails all."""

    def __init__(self) -> None:
        self.members = 0
        self.turn = asyncio.Lock()
        self._failure: ImageError | None = None

    @contextmanager
    def one_try(self) -> Iterator[None]:
        """Run the block, unless it has failed for a twin; who comes when all have gone tries anew."""
        if self._failure:
            raise type(self._failure)(str(self._failure))
        try:
            yield
        except ImageError as failure:
            self._failure = failure
            raise


class Pause:
    """Keeps work from beginning after the store failed: its result would have no place, again and again.

    Each failure after a pause makes the next one twice as long.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._seconds: float = FIRST_PAUSE_SECONDS

    async def over(self) -> None:
        """Return when the store may be well again."""
        while (left := self._until - monotonic()) > 0:  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(left)

    @contextmanager
    def after_trouble(self) -> Iterator[None]:
        """Learn from the block how the store is."""
        try:
            yield
        except ServiceUnavailable:
            if self._until < monotonic():  # else what is under way fails for the same reason
                self._until = monotonic() + self._seconds
                self._seconds = min(2 * self._seconds, LONGEST_RELEASE_SECONDS)
            raise
        self._until, self._seconds = 0.0, FIRST_PAUSE_SECONDS
