"""
Looks at everything that Packshot needs here, and says what to do about what is not well.

Each check is a function of its own, in the list below; it asks the rooms that work with what it checks.
Nothing is repaired, made or migrated: in an empty folder no database comes to be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from packshot.doctor.findings import Finding, Patient, broken
from packshot.doctor.machine import (
    check_cores,
    check_data_folder,
    check_decoder,
    check_disk,
    check_memory,
    check_open_files,
    check_presets,
)
from packshot.doctor.patients import admitted
from packshot.doctor.services import (
    check_broker,
    check_cache,
    check_clock,
    check_database,
    check_schema,
    check_store,
)
from packshot.doctor.work import check_access, check_queue, check_workers
from packshot.errors import PackshotError
from packshot.settings import Settings

SECONDS: Final = 20  # for one check; the rooms have shorter limits of their own

CHECKS: Final[Mapping[str, Callable[[Patient], Awaitable[Finding]]]] = {
    "presets": check_presets,
    "data folder": check_data_folder,
    "disk": check_disk,
    "open files": check_open_files,
    "cores": check_cores,
    "memory": check_memory,
    "decoder": check_decoder,
    "database": check_database,
    "schema": check_schema,
    "clock": check_clock,
    "broker": check_broker,
    "store": check_store,
    "cache": check_cache,
    "access": check_access,
    "workers": check_workers,
    "queue": check_queue,
}


async def examine(settings: Settings) -> dict[str, Finding]:
    """Make every check and return what each has found."""
    async with admitted(settings) as patient:
        findings = await asyncio.gather(*(_made(check, patient) for check in CHECKS.values()))
    return dict(zip(CHECKS, findings, strict=True))


async def _made(check: Callable[[Patient], Awaitable[Finding]], patient: Patient) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            return await check(patient)
    except PackshotError as error:
        return broken(str(error))
    except TimeoutError:
        return broken(f"no answer within {SECONDS} s")
    except Exception as error:  # noqa: BLE001 - the other checks shall be heard
        return broken(f"the check itself failed: {error!r}")
