"""Opens a Packshot that is there already: who only asks about it must not make a database for the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from packshot.app import App, open_app
from packshot.cluster import has_cluster
from packshot.errors import ConfigError
from packshot.settings import Settings


@asynccontextmanager
async def open_existing(settings: Settings) -> AsyncIterator[App]:
    """Open it as `open_app` does; raise ConfigError if there is none."""
    if not (settings.database_url or has_cluster(settings.data_dir)):
        raise ConfigError(
            f"There is no Packshot in {settings.data_dir.absolute()} yet: start one with `packshot serve`, or"
            " let PACKSHOT_DATA_DIR or PACKSHOT_DATABASE_URL say where it is."
        )
    async with open_app(settings) as app:
        yield app
