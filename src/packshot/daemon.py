"""
Runs an app until it is told to stop: `serve`, `api` and `work` are this with other parts.

On SIGINT, SIGTERM or SIGHUP (a closed terminal) the parts end in order: no new requests and
deliveries, then what is in hand is finished or given back, then the sweeper, the database and the
embedded PostgreSQL. A second signal does not wait.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any, Final, cast

import uvicorn
from fastapi import FastAPI

from packshot.addresses import is_loopback
from packshot.app import App, open_api, open_app, open_courier, open_health_api
from packshot.consumer import Consumer
from packshot.courier import Courier
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.settings import Settings
from packshot.telemetry import about
from packshot.web.clients import Connection
from packshot.web.crowd import MAX_CONNECTIONS, Crowd
from packshot.workshop import open_consumer

log = logging.getLogger(__name__)

LEAVE_SECONDS: Final = 4
MAX_OPEN_FILES: Final = 65_536
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Announce = Callable[[App, socket.socket | None], None]


class ApiServer(uvicorn.Server):
    """Serves the API on a socket that is listening already; signals are ours to handle."""

    def __init__(self, api: FastAPI, settings: Settings) -> None:
        connection: Any = partial(Connection, Crowd(min(MAX_CONNECTIONS, raise_file_limit() // 2)))
        config = uvicorn.Config(
            api,
            http=connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, which clients take too long."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            check(cast("Connection", connection), now)
        return await super().on_tick(counter)

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals alone."""
        return contextlib.nullcontext()


def check(connection: Connection, now: float) -> None:
    """Look after one connection; what goes wrong there is the end of that one, and not of the server."""
    try:
        connection.check(now)
    except Exception:
        log.exception("connection closed: it could not be checked")
        connection.transport.abort()


async def run(settings: Settings, announce: Announce, *, api: bool, worker: bool) -> None:
    """Run until a signal. `announce` is called once everything is up, with the API's socket.

    Raises ConfigError before anything is started, or ServiceUnavailable if the database is away.
    """
    with stop_signals() as stop:
        async with AsyncExitStack() as stack:
            port, name = (
                (settings.port, "PACKSHOT_PORT") if api else (settings.metrics_port, "PACKSHOT_METRICS_PORT")
            )
            listener = stack.enter_context(listen(settings.host, port, name)) if api or port else None
            app = await stack.enter_async_context(open_app(settings, settings.workers if worker else 0))
            await _prepare(app, listener)
            consumer = await stack.enter_async_context(open_consumer(app)) if worker else None
            courier = await stack.enter_async_context(open_courier(app))
            server = ApiServer(open_api(app) if api else open_health_api(app), settings)
            announce(app, listener)
            with about(worker=str(app.desk.worker.worker_id)):
                await _run_parts(app, courier, consumer, server, listener, stop)
                await _leave(app)


async def _prepare(app: App, listener: socket.socket | None) -> None:
    if listener:
        await require_protection(app)
    await app.users.add_first()
    await app.sweeper.rescue()


async def require_protection(app: App) -> None:
    """Raise ConfigError if others than this machine could reach an API that asks for no key."""
    host = app.settings.host
    if not is_loopback(host) and not await app.keyring.keys.were_made():
        raise ConfigError(
            f"Nothing was started: there is no access key yet, and whoever reaches {host} could do all.\n"
            "  Make a key:               packshot keys create NAME --scope admin\n"
            "  or serve this machine:    PACKSHOT_HOST=127.0.0.1"
        )


async def _run_parts(
    app: App,
    courier: Courier,
    consumer: Consumer | None,
    server: ApiServer,
    listener: socket.socket | None,
    stop: asyncio.Event,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        rooms = (app.sweeper, app.ledger, app.news, courier)
        keeping = [tasks.create_task(room.run(app.lifeline)) for room in rooms]
        parts = []
        if consumer:
            parts.append(tasks.create_task(consumer.run()))
        if listener:
            parts.append(tasks.create_task(server.serve([listener])))
        await stop.wait()
        _stop_taking(app, consumer, server)
        # First: else the sweeper, missing the broker, goes the short way into our end.
        await app.local.close()
        tasks.create_task(app.broker.close())
        await asyncio.wait(parts, timeout=app.settings.shutdown_seconds)
        for task in (*parts, *keeping):
            task.cancel()


def _stop_taking(app: App, consumer: Consumer | None, server: ApiServer) -> None:
    server.should_exit = True
    app.news.close()  # whoever listens would keep the server from its end
    if consumer:
        consumer.stop()


async def _leave(app: App) -> None:
    with contextlib.suppress(ServiceUnavailable, TimeoutError):  # then the others will miss us
        async with asyncio.timeout(LEAVE_SECONDS):
            await app.images.release_held()
            await app.backlog.unpublish(app.local.left)
            await app.workers.forget([app.desk.worker.worker_id])


def listen(host: str, port: int, setting: str = "PACKSHOT_PORT") -> socket.socket:
    """Return a listening socket; raise ConfigError, which names the port's setting, if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        message = f"Cannot listen on {host} port {port}: {error.strerror}. Set PACKSHOT_HOST or {setting}."
        raise ConfigError(message) from error


def raise_file_limit() -> int:
    """Let this process open as many files as it may, and return how many: each connection is one."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(now, min(most, MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Set the event on the first of STOPPING; the second one acts as if we were not here."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stop_once() -> None:
        stop.set()
        ignore()

    def ignore() -> None:
        for number in STOPPING:
            loop.remove_signal_handler(number)

    for number in STOPPING:
        loop.add_signal_handler(number, stop_once)
    try:
        yield stop
    finally:
        ignore()
