"""Opens the database to look at it: nothing is made, and no schema is changed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from packshot.cluster import has_cluster
from packshot.database import Database
from packshot.doctor.findings import Patient
from packshot.errors import PackshotError
from packshot.migrations import migrations, version
from packshot.postgres import embedded_postgres
from packshot.settings import Settings

HAS_HISTORY: Final = "SELECT to_regclass('schema_migrations') IS NOT NULL AS has"


@asynccontextmanager
async def admitted(settings: Settings) -> AsyncIterator[Patient]:
    """Give the patient with its database open, if there is one that can be opened."""
    async with AsyncExitStack() as stack:
        try:
            patient = await _examined(settings, await _opened(settings, stack))
        except PackshotError as error:
            patient = Patient(settings, ailment=str(error))
        yield patient


async def _opened(settings: Settings, stack: AsyncExitStack) -> Database | None:
    url = settings.database_url
    if not url and not has_cluster(settings.data_dir):
        return None
    if not url:
        url = (await stack.enter_async_context(embedded_postgres(settings.data_dir))).dsn
    return await stack.enter_async_context(Database.open(url, connections=4, migrating=False))


async def _examined(settings: Settings, database: Database | None) -> Patient:
    if database is None:
        return Patient(settings)
    (row,) = await database.fetch(HAS_HISTORY)
    history = await database.fetch("SELECT version FROM schema_migrations") if row["has"] else []
    applied, known = {row["version"] for row in history}, {version(name) for name, _ in migrations()}
    return Patient(settings, database, missing=len(known - applied), foreign=len(applied - known))
