"""
The main job on real pictures, from nothing, in one process that ends.

A folder of pictures (drawn first, if none is given) is served on a free port of this machine, and
submitted as one product to a fresh database. The renditions stay in `demo` in the data folder.
"""

import asyncio
import mimetypes
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

from packshot.app import App, open_app
from packshot.commands import watch
from packshot.errors import ConfigError
from packshot.models import Product
from packshot.products import MAX_IMAGES
from packshot.settings import Settings
from packshot.telemetry import start_logging
from packshot.terminal import print_images, screen
from packshot.web.views import ProductView, view_product
from packshot.workshop import open_consumer

HOST: Final = "127.0.0.1"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class QuietServer(ThreadingHTTPServer):
    """Has no opinion on clients that hang up once they know that a file is no picture."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


async def demo(settings: Settings, pictures: Path | None) -> None:
    """Process the pictures and print what became of each; a picture that fails is an outcome too."""
    start_logging("error")  # the table says it better
    kept = settings.data_dir.absolute() / "demo"
    shutil.rmtree(kept, ignore_errors=True)
    with scratch_folder() as scratch:
        folder = pictures or await _draw(scratch / "pictures")
        fresh = settings.model_copy(
            update={
                "data_dir": scratch / "data",
                "database_url": "",
                "broker_url": "memory:",
                "store_url": kept.as_uri(),
                "allow_sources": (HOST,),
            }
        )
        with served(folder) as urls:
            product = await _process(fresh, urls)
    print_images([product])
    screen.print(f"The renditions are in {kept}.", soft_wrap=True, markup=False)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for the block, open to root's PostgreSQL, which would leave its files elsewhere."""
    with TemporaryDirectory(prefix="packshot-demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def served(folder: Path) -> Iterator[list[str]]:
    """Serve a folder on this machine while the block runs; yield the URLs of its pictures."""
    names = [file.name for file in _pictures(folder)]
    server = QuietServer((HOST, 0), partial(QuietHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield [f"http://{HOST}:{server.server_port}/{quote(name)}" for name in names]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def _draw(folder: Path) -> Path:
    screen.print("Drawing a few products …")
    await asyncio.to_thread(folder.mkdir)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "packshot.sketch", str(folder))
    if await child.wait():
        raise ConfigError("The demo's pictures could not be drawn; see the message above.")
    return folder


async def _process(settings: Settings, urls: list[str]) -> ProductView:
    screen.print("Starting a fresh database …")
    async with open_app(settings, settings.workers) as app, open_consumer(app) as consumer:
        await app.users.add_first()
        await app.sweeper.rescue()
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(run) for run in (app.sweeper.run(app.lifeline), consumer.run())]
            product = await _submit_and_watch(app, urls)
            for task in working:
                task.cancel()
    return product


async def _submit_and_watch(app: App, urls: list[str]) -> ProductView:
    row = await app.producer.submit(
        Product(
            user_id=1,
            product_name="Demo",
            product_description="What packshot makes of a folder of pictures.",
            product_images=tuple(urls),
            product_price=Decimal("19.90"),
        )
    )
    (product,) = await watch(app, [view_product(row, app.store)], quiet=False)
    return product


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder.")
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    pictures = [file for file in files if (mimetypes.guess_type(file.name)[0] or "").startswith("image/")]
    if not pictures:
        raise ConfigError(f"There are no pictures in {folder}.")
    return pictures[:MAX_IMAGES]
