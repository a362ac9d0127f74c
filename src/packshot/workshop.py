"""
The workshop: what those who make pictures need besides the rooms of every process.

Like `app`, it knows the concrete classes and in which order they open; a process that only answers requests
does without.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from packshot.app import App, open_redis
from packshot.cache import Redis
from packshot.compress import Compressor
from packshot.consumer import Consumer
from packshot.download import Downloader
from packshot.errors import ConfigError
from packshot.lifecycle import RetryPolicy
from packshot.outdated import OutdatedImages
from packshot.pipeline import Pipeline
from packshot.politeness import VISIT_SECONDS, Download, Manners
from packshot.presets import load_presets
from packshot.pulse import Pulse
from packshot.reprocessing import Reprocessing
from packshot.settings import Settings

NICENESS: Final = 10  # of 19: who serves and makes new pictures on this machine gets the cores first


@asynccontextmanager
async def open_consumer(app: App) -> AsyncIterator[Consumer]:
    """Build what a worker needs besides: the downloader, its manners, and the decoder children."""
    presets = load_presets(app.settings.presets_file)
    async with (
        open_redis(app.settings, VISIT_SECONDS) as redis,
        Downloader(app.settings) as downloader,
        Compressor(app.settings, presets) as compressor,
        Pulse.beating() as pulse,
    ):
        pipeline = Pipeline(
            images=app.images,
            desk=app.desk,
            pulse=pulse,
            download=_manners(app.settings, redis).polite(_counted(app, downloader)),
            compress=app.metrics.decoding(compressor.compress),
            store=app.store,
            collector=app.collector,
            presets=presets,
            policy=_retry_policy(app.settings),
            count=app.metrics.attempt,
            span=app.span,
        )
        brokers = {app.broker, app.local}
        yield Consumer(brokers, app.images, app.desk, pipeline.process, app.sweeper.wake)


@asynccontextmanager
async def open_reprocessing(app: App, only: str | None, share: float) -> AsyncIterator[Reprocessing]:
    """Build what brings old images to the presets of today, or to the one that is called `only`.

    The whole process becomes a quiet one: its children inherit that.
    """
    today = load_presets(app.settings.presets_file)
    presets = [preset for preset in today if only in (None, preset.name)]
    if not presets:
        names = ", ".join(preset.name for preset in today)
        raise ConfigError(f"There is no preset {only!r}; there are {names}.")
    os.nice(NICENESS)
    async with (
        open_redis(app.settings, VISIT_SECONDS) as redis,
        Downloader(app.settings) as downloader,
        Compressor(app.settings, today) as compressor,
    ):
        yield Reprocessing(
            outdated=OutdatedImages(app.database),
            desk=app.desk,
            download=_manners(app.settings, redis).polite(downloader.download),
            compress=compressor.compress,
            store=app.store,
            collector=app.collector,
            presets=presets,
            today=today,
            hands=app.settings.workers,
            share=share,
        )


def _retry_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(settings.retry_seconds, settings.max_retry_seconds, settings.max_attempts)


def _manners(settings: Settings, redis: Redis | None) -> Manners:
    return Manners(
        settings.host_downloads,
        dict(settings.host_limits),
        longest_seconds=settings.download_seconds,
        longest_pause_seconds=settings.max_retry_seconds,
        redis=redis,
    )


def _counted(app: App, downloader: Downloader) -> Download:
    return app.metrics.downloads(downloader.download, downloader.class_of_host)
