"""What the short commands do: open the rooms, act, print, and say with the exit code how it went."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from packshot.app import App, open_app
from packshot.errors import ConfigError
from packshot.models import Product
from packshot.settings import Settings
from packshot.terminal import ENDED, ImageProgress, live, print_images, print_json, print_users, screen, status_table
from packshot.web.views import NewProduct, ProductView, UserView, view_image, view_product

POLL_SECONDS: Final = 0.25
WATCH_SECONDS: Final = 1

PRODUCTS: Final = TypeAdapter(list[NewProduct])


async def migrate(settings: Settings) -> None:
    """Open the database, which migrates it."""
    async with open_app(settings):
        screen.print("The schema is up to date.")


async def add_user(
    settings: Settings, name: str, *details: str | float | None, as_json: bool
) -> None:
    """Create a user."""
    async with open_app(settings) as app:
        user = UserView(**await app.users.add(name, *details))
    if as_json:
        print_json(user.model_dump())
    else:
        screen.print(f"User {user.id} is {user.name}.", markup=False)


async def list_users(settings: Settings, *, as_json: bool) -> None:
    """Print all users."""
    async with open_app(settings) as app:
        users = [UserView(**row) for row in await app.users.all()]
    if as_json:
        print_json([user.model_dump() for user in users])
    else:
        print_users(users)


async def submit(
    settings: Settings, sources: Sequence[str], defaults: Mapping[str, Any], *, wait: bool, as_json: bool
) -> int:
    """Submit what `sources` name, and wait for it. The exit code is 1 if an image failed."""
    wanted = read_products(sources, defaults)
    async with open_app(settings) as app:
        await app.users.add_first()
        rows = [await app.producer.submit(_product(new)) for new in wanted]
        products = [view_product(row, app.store) for row in rows]
        if wait:
            await _warn_without_workers(app)
            products = await watch(app, products, quiet=as_json)
    if as_json:
        print_json([product.model_dump() for product in products])
    else:
        print_images(products)
    return int(any(product.state == "failed" for product in products))


async def status(settings: Settings, *, watch: bool, as_json: bool) -> None:
    """Print the state of everything, once or until Ctrl-C."""
    async with open_app(settings) as app:
        if as_json:
            print_json(dict(await app.backlog.summary()))
        elif watch:
            with live() as view:
                while True:
                    view.update(status_table(await app.backlog.summary()), refresh=True)
                    await asyncio.sleep(WATCH_SECONDS)
        else:
            screen.print(status_table(await app.backlog.summary()))


async def retry(
    settings: Settings, image_ids: Sequence[int], code: str | None, *, every: bool, as_json: bool
) -> None:
    """Give failed images new attempts."""
    async with open_app(settings) as app:
        images = [view_image(await app.producer.retry(image_id), app.store) for image_id in image_ids]
        count = len(images) + (await app.producer.retry_failed(code) if every or code else 0)
    if as_json:
        print_json({"retried": count})
    else:
        screen.print(f"{count} images will be tried again.")


async def watch(app: App, products: Sequence[ProductView], *, quiet: bool) -> list[ProductView]:
    """Show progress until every image has ended; return the products as they are then."""
    current = {product.product_id: product for product in products}
    progress = ImageProgress()
    with progress.shown(quiet=quiet):
        while unfinished := [key for key, product in current.items() if product.state not in ENDED]:
            for product_id in unfinished:
                current[product_id] = view_product(await app.products.get(product_id), app.store)
            progress.update([image for product in current.values() for image in product.images])
            await asyncio.sleep(POLL_SECONDS)
    return list(current.values())


def read_products(sources: Sequence[str], defaults: Mapping[str, Any]) -> list[NewProduct]:
    """Read URLs as the images of one product, and files as JSON: a product, or a list of them.

    Raises ConfigError that names what is wrong.
    """
    urls = [source for source in sources if "://" in source]
    wanted = [{**defaults, "product_images": urls}] if urls else []
    for file in (source for source in sources if "://" not in source):
        found = _read_json(file)
        wanted += found if isinstance(found, list) else [found]
    try:
        return PRODUCTS.validate_python(wanted)
    except ValidationError as error:
        problems = (f"product {e['loc'][0]}: {_name(e['loc'][1:])}: {e['msg']}" for e in error.errors())
        raise ConfigError("The products are not right:\n  " + "\n  ".join(problems)) from error


def _read_json(file: str) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: neither a URL nor a JSON file of products: {error}") from error


def _name(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)


def _product(new: NewProduct) -> Product:
    return Product(**{**dict(new), "product_images": tuple(new.product_images)})


async def _warn_without_workers(app: App) -> None:
    summary = await app.backlog.summary()
    if not any(worker["slots"] for worker in summary["workers"]):
        print("No worker is running: start one with `packshot serve` or `packshot work`.", file=sys.stderr)  # noqa: T201
