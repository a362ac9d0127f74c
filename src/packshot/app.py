"""
The composition root: the one place that knows the concrete rooms, and in which order they open.

Everything opens in reading order and closes in reverse; the brokers, which end the work, close first of all.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from packshot.backlog import Backlog
from packshot.batches import Batches
from packshot.brokers import Broker, open_broker, open_local
from packshot.brokers.memory import MemoryBroker
from packshot.cache import ANSWER_SECONDS, Cache, Redis
from packshot.census import Census
from packshot.collector import Collector
from packshot.courier import Courier
from packshot.database import Database
from packshot.first_answers import FirstAnswers
from packshot.images import Images
from packshot.keyring import Keyring
from packshot.keys import Keys
from packshot.ledger import Ledger
from packshot.lifeline import Lifeline
from packshot.metrics import Metrics
from packshot.news import News
from packshot.originals import Originals
from packshot.outbox import Outbox
from packshot.overview import Overview
from packshot.postgres import embedded_postgres
from packshot.posting import Poster, receiver_url, receivers_guard
from packshot.presets import load_presets
from packshot.producer import Producer
from packshot.products import Products
from packshot.redaction import Redaction
from packshot.settings import Settings, aws_environment, secrets_in
from packshot.stores import Store, open_store
from packshot.sweeper import Sweeper
from packshot.telemetry import Span, no_span
from packshot.users import Users
from packshot.vitals import Vitals
from packshot.web.api import create_api, create_health_api
from packshot.web.backend import Backend
from packshot.web.messages import Writer
from packshot.web.policy import Policy
from packshot.web.reader import ProductReader
from packshot.webhooks import Webhooks
from packshot.workers import Desk, Workers

LOCAL: Final = "memory:"


@dataclass(frozen=True, slots=True)
class App:
    """The rooms every process has."""

    settings: Settings
    database_folder: Path | None
    database: Database
    lifeline: Lifeline
    keyring: Keyring
    users: Users
    products: Products
    images: Images
    backlog: Backlog
    ledger: Ledger
    overview: Overview
    news: News
    workers: Workers
    webhooks: Webhooks
    outbox: Outbox
    store: Store
    cache: Cache | None
    broker: Broker
    local: MemoryBroker
    collector: Collector
    producer: Producer
    sweeper: Sweeper
    desk: Desk
    metrics: Metrics
    span: Span


@asynccontextmanager
async def open_app(settings: Settings, slots: int = 0) -> AsyncIterator[App]:
    """Open the database, the broker and the store, and build what stands on them.

    `slots` is how many images this process will keep in hand; 0 is no worker.
    """
    async with AsyncExitStack() as stack:
        folder, url = None, settings.database_url
        if not url:
            embedded = await stack.enter_async_context(embedded_postgres(settings.data_dir))
            folder, url = embedded.folder, embedded.dsn
        database = await stack.enter_async_context(Database.open(url))
        desk = stack.enter_context(Desk.open(settings.data_dir, slots))
        redis = await stack.enter_async_context(open_redis(settings, ANSWER_SECONDS))
        keyring = await stack.enter_async_context(Keyring.open(Keys(database)))
        span = await stack.enter_async_context(open_traces(settings))
        yield _build(settings, folder, database, desk, Cache(redis) if redis else None, keyring, span)


@asynccontextmanager
async def open_redis(settings: Settings, seconds: float) -> AsyncIterator[Redis | None]:
    """Open a line to Redis on which no answer takes longer, if there is to be one."""
    if not settings.cache_url:
        yield None
        return
    async with Redis.open(settings.cache_url, seconds) as redis:
        yield redis


@asynccontextmanager
async def open_traces(settings: Settings) -> AsyncIterator[Span]:
    """Open what makes spans, if somebody wants them."""
    if not settings.traces_url:
        yield no_span
        return
    from packshot.traces import Traces  # noqa: PLC0415 - heavy, and not for everybody

    async with Traces.open(settings.traces_url, Redaction(secrets_in(settings))) as traces:
        yield traces.span


def _build(  # noqa: PLR0913, PLR0917 - what was opened
    settings: Settings,
    folder: Path | None,
    database: Database,
    desk: Desk,
    cache: Cache | None,
    keyring: Keyring,
    span: Span,
) -> App:
    users = Users(database)
    products = Products(database, max_attempts=settings.max_attempts)
    images = Images(
        database,
        desk.worker.worker_id,
        lease_seconds=settings.lease_seconds,
        max_attempts=settings.max_attempts,
    )
    backlog = Backlog(database)
    ledger = Ledger(database)
    overview = Overview(database, ledger, settings)
    workers = Workers(database)
    store = open_store(settings.store_dir_url, aws_environment())
    local = open_local(settings.workers)
    broker = (
        local
        if settings.broker_url == LOCAL
        else open_broker(settings.broker_url, settings.workers, desk.count)
    )
    collector = Collector(database, store)
    sweeper = Sweeper(backlog, images, workers, broker, local, desk)
    batches = Batches(database, max_attempts=settings.max_attempts)
    producer = Producer(products, batches, images, collector, sweeper.wake, span=span)
    return App(
        settings=settings,
        database_folder=folder,
        database=database,
        lifeline=Lifeline(database.check, database.server),
        keyring=keyring,
        users=users,
        products=products,
        images=images,
        backlog=backlog,
        ledger=ledger,
        overview=overview,
        news=News(database, overview),
        workers=workers,
        webhooks=Webhooks(database, partial(receiver_url, guard=receivers_guard(settings))),
        outbox=Outbox(database),
        store=store,
        cache=cache,
        broker=broker,
        local=local,
        collector=collector,
        producer=producer,
        sweeper=sweeper,
        desk=desk,
        metrics=Metrics(desk.counts),
        span=span,
    )


@asynccontextmanager
async def open_courier(app: App) -> AsyncIterator[Courier]:
    """Build what carries messages to the receivers of webhooks."""
    async with Poster(receivers_guard(app.settings)) as poster:
        yield Courier(app.outbox, poster.post, Writer(app.store).write, app.metrics.message)


def open_api(app: App) -> FastAPI:
    """Build the ASGI application."""
    return create_api(_backend(app))


def open_health_api(app: App) -> FastAPI:
    """Build what a worker alone shows."""
    return create_health_api(_backend(app))


def _backend(app: App) -> Backend:
    return Backend(
        database=app.database,
        keyring=app.keyring,
        policy=(policy := Policy.of(app.settings)),
        users=app.users,
        products=app.products,
        reader=ProductReader(app.products, app.store, app.cache, policy.pictures),
        images=app.images,
        originals=Originals(app.settings, app.desk, load_presets(app.settings.presets_file)),
        producer=app.producer,
        overview=app.overview,
        webhooks=app.webhooks,
        outbox=app.outbox,
        news=app.news,
        store=app.store,
        public_url=app.settings.public_url,
        first_answers=FirstAnswers(app.database),
        metrics=app.metrics,
        vitals=_vitals(app),
        span=app.span,
    )


def _vitals(app: App) -> Vitals:
    broker = None if app.broker is app.local else app.broker
    return Vitals(app.metrics, Census(app.database), broker, app.store, app.cache, app.desk)
