"""
What does our store cost on top of the library, and our server on top of the file?

Uploads: the same files go to one S3 server through `S3Store.put` and through obstore alone, as many at once.
Pictures: `packshot serve` and nginx hand out the same file on as many connections. Ours asks PostgreSQL which
file it is, nginx knows it by its name. Without nginx on this machine that figure is not measured.
"""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

import aiohttp
import obstore
from obstore.store import from_url
from servers.s3 import BUCKET, ENVIRONMENT, S3

from benchmarks.results import AtLeast, Result, ratio
from benchmarks.supplier import pictures, supplying
from benchmarks.system import HOST, System, free_port, running, scratch
from packshot.stores.s3 import S3Store

UPLOADS: Final = 400
AT_ONCE: Final = 8
UPLOAD_BYTES: Final = 150_000  # a rendition
REQUESTS: Final = 2000
CONNECTIONS: Final = 10
ROUNDS: Final = 7
POLL_SECONDS: Final = 0.05

UPLOAD_QUESTION: Final = "uploads to S3 per second ÷ obstore alone"
PICTURE_QUESTION: Final = "GET picture per second ÷ nginx"

NGINX: Final = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; client_body_temp_path {folder}; proxy_temp_path {folder};
fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""

Upload = Callable[[str, Path], Awaitable[object]]


async def measure() -> list[Result]:
    """Return both ratios."""
    with scratch() as folder:
        return [await _measure_uploads(folder), await _measure_pictures(folder)]


async def _measure_uploads(folder: Path) -> Result:
    os.environ |= ENVIRONMENT
    file = folder / "rendition"
    file.write_bytes(os.urandom(UPLOAD_BYTES))
    async with S3.start(folder / "s3") as server:
        ours, bare = _our_upload(server), _bare_upload(server)
        rounds = [
            (await _uploads(ours, f"{number:02x}/aa", file), await _uploads(bare, f"{number:02x}/bb", file))
            for number in range(ROUNDS + 1)
        ]
    return ratio(UPLOAD_QUESTION, rounds[1:], "uploads", AtLeast(0.9))  # the first ones make connections


def _our_upload(server: S3) -> Upload:
    store = S3Store(server.url, ENVIRONMENT)
    return lambda key, file: store.put(key, file, "image/avif")


def _bare_upload(server: S3) -> Upload:
    endpoint = f"http://{HOST}:{server.port}"
    options = {"allow_http": True, "timeout": timedelta(seconds=30)}
    bucket = from_url(f"s3://{BUCKET}/bare", endpoint=endpoint, region="us-east-1", client_options=options)  # type: ignore[call-overload] # its options have no name at run time
    return lambda key, file: obstore.put_async(bucket, key, file, use_multipart=False)


async def _uploads(upload: Upload, folder: str, file: Path) -> float:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await upload(f"{folder}/{number}", file)

    started = perf_counter()
    await asyncio.gather(*(one(number) for number in range(UPLOADS)))
    return UPLOADS / (perf_counter() - started)


async def _measure_pictures(folder: Path) -> Result:
    if shutil.which("nginx") is None:
        return Result(PICTURE_QUESTION, None, "", None, "there is no nginx on this machine")
    files = await pictures(folder)
    async with (
        supplying([file.read_bytes() for file in files]) as supplier,
        running("serve", folder) as system,
    ):
        url, file = await _a_picture(system, next(iter(supplier.urls(1))))
        async with _nginx(folder, file) as theirs:
            rounds = [(await _gets(url), await _gets(theirs)) for _ in range(ROUNDS)]
    return replace(ratio(PICTURE_QUESTION, rounds, "pictures", AtLeast(0)), required=None)


async def _a_picture(system: System, source_url: str) -> tuple[str, Path]:
    """Have a picture made; return its URL and its file."""
    image = await system.post("/process-image", {"image_url": source_url})
    while image["state"] != "ready":
        await asyncio.sleep(POLL_SECONDS)
        async with system.http.get(image["url"]) as answer:
            image = await answer.json()
    rendition = image["renditions"][0]
    return f"http://{HOST}:{system.port}{rendition['url']}", Path(rendition["path"])


@asynccontextmanager
async def _nginx(folder: Path, file: Path) -> AsyncIterator[str]:
    """Serve the file's folder with one worker, as we have one process; yield the file's URL."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, root=file.parent))
    process = await asyncio.create_subprocess_exec(
        "nginx", "-p", str(folder), "-c", str(configuration), stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        while not await _is_listening(port):  # noqa: ASYNC110 - it sets no Event
            await asyncio.sleep(POLL_SECONDS)
        yield f"http://{HOST}:{port}/{file.name}"
    finally:
        process.terminate()
        await process.wait()


async def _is_listening(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False


async def _gets(url: str) -> float:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def one() -> None:
            async with http.get(url, raise_for_status=True) as answer:
                await answer.read()

        started = perf_counter()
        await asyncio.gather(*(one() for _ in range(REQUESTS)))
        return REQUESTS / (perf_counter() - started)
