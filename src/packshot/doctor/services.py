"""Checks of what Packshot talks to: each is asked for what the program will ask it for."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

from packshot.brokers import MEMORY, try_broker
from packshot.cache import Redis
from packshot.doctor.findings import Finding, Patient, broken, not_seen, well, worth_a_look
from packshot.errors import PackshotError
from packshot.settings import aws_environment
from packshot.stores import ANY_KEY, Store, open_store

OLDEST_POSTGRESQL: Final = 14
CLOCKS_APART_SECONDS: Final = 2
REDIS_SECONDS: Final = 1
PROBE: Final = b"packshot doctor"
NOT_YET: Final = "none yet: the first start makes it"

ABOUT: Final = """
    SELECT current_setting('server_version_num')::int / 10000 AS major,
           current_setting('server_version') AS version,
           has_schema_privilege(current_schema(), 'CREATE') AS may_migrate,
           extract(epoch FROM clock_timestamp())::float8 AS clock"""


async def check_database(patient: Patient) -> Finding:
    """Connect, look at its version, and write."""
    if patient.ailment:
        return broken(patient.ailment, "Is PACKSHOT_DATABASE_URL right, and the server up?")
    if patient.database is None:
        return well(NOT_YET)
    if not patient.missing:
        await patient.database.check()
    (about,) = await patient.database.fetch(ABOUT)
    if about["major"] < OLDEST_POSTGRESQL:
        return broken(f"PostgreSQL {about['version']}", f"Packshot needs {OLDEST_POSTGRESQL} or newer.")
    return well(f"PostgreSQL {about['version']}")


async def check_schema(patient: Patient) -> Finding:
    """Compare the schema with the one that this program knows."""
    if patient.database is None:
        return not_seen(patient, NOT_YET)
    (about,) = await patient.database.fetch(ABOUT)
    if patient.missing and not about["may_migrate"]:
        return broken(
            f"{patient.missing} migrations are missing",
            "Run `packshot migrate` as a user who may make tables.",
        )
    if patient.missing:
        return worth_a_look(
            f"{patient.missing} migrations are missing", "Run `packshot migrate`, or start Packshot."
        )
    if patient.foreign:
        return worth_a_look(
            "made by a newer Packshot", "The release before works on with it; upgrade this one, too."
        )
    return well("as this program knows it")


async def check_clock(patient: Patient) -> Finding:
    """Compare our clock with the database's, which all times come from."""
    if patient.database is None:
        return not_seen(patient, "nothing to compare it with")
    before = time.time()
    (about,) = await patient.database.fetch(ABOUT)
    apart = abs(about["clock"] - (before + time.time()) / 2)
    if apart > CLOCKS_APART_SECONDS:
        return worth_a_look(
            f"{apart:.0f} s from the database's", "Let both follow the same time server (NTP)."
        )
    return well("agrees with the database's")


async def check_broker(patient: Patient) -> Finding:
    """Connect, declare the queue, and publish a hint about no image."""
    if patient.settings.broker_url == MEMORY:
        return well("none: hints stay inside each process")
    try:
        return well(f"{await try_broker(patient.settings.broker_url)} takes messages")
    except PackshotError as error:
        return broken(str(error), "Work goes on without it. Is PACKSHOT_BROKER_URL right, and the server up?")


async def check_store(patient: Patient) -> Finding:
    """Put a file into the store, read it, and delete it."""
    settings = patient.settings
    if not settings.store_url and not settings.data_dir.exists():
        return well(NOT_YET)
    store = open_store(settings.store_dir_url, aws_environment())
    try:
        same = await _gives_back(store, f"00/doctor-{uuid4().hex}")
    except PackshotError as error:
        return broken(str(error), "Images wait for it. Are PACKSHOT_STORE_URL and its keys right?")
    if not same:
        return broken(
            "it gives back other bytes than it took", "Nothing in it is safe: look into that store."
        )
    return well(f"{store.location(ANY_KEY).removesuffix(f'/{ANY_KEY}')} takes, gives and deletes")


async def _gives_back(store: Store, key: str) -> bool:
    with TemporaryDirectory(prefix="packshot-") as folder:
        file = Path(folder, "probe")
        await asyncio.to_thread(file.write_bytes, PROBE)
        await store.put(key, file, "text/plain")
    try:
        return await store.get(key) == PROBE
    finally:
        await store.delete(key)


async def check_cache(patient: Patient) -> Finding:
    """Ask Redis who it is, and what it forgets when it is full."""
    url = patient.settings.cache_url
    if not url:
        return well("none: answers come from the database")
    async with Redis.open(url, REDIS_SECONDS) as redis:
        info = await redis.ask("INFO", "server")
        policy = await redis.ask("CONFIG", "GET", "maxmemory-policy")
    if info is None:
        return broken(
            f"Redis at {redis.server}: {redis.trouble}",
            "Work goes on without it. Is PACKSHOT_CACHE_URL right, and the server up?",
        )
    lines = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    found = f"Redis {lines.get('redis_version', '')}"
    if policy and policy[1] == b"noeviction":
        return worth_a_look(f"{found} forgets nothing when it is full", "Set maxmemory-policy allkeys-lru.")
    return well(found)
