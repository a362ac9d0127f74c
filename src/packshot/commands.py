"""What the short commands do: open the rooms, act, print, and say with the exit code how it went."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from packshot.app import App, open_app
from packshot.doctor import examine
from packshot.errors import CATALOGUE, ConfigError, InvalidInput, ServiceUnavailable
from packshot.existing import open_existing
from packshot.lifecycle import ENDED
from packshot.models import Product
from packshot.settings import Settings
from packshot.terminal import (
    ImageProgress,
    findings_table,
    live,
    print_images,
    print_json,
    print_users,
    screen,
    status_table,
)
from packshot.web.bodies import NewProduct, NewUser, parse_json, problems
from packshot.web.views import ProductView, UserView, view_product

POLL_SECONDS: Final = 0.25
WATCH_SECONDS: Final = 1
STORED_AT_ONCE: Final = 100  # with 200 images each, the database takes them well within its time

Body = TypeVar("Body", bound=BaseModel)


async def migrate(settings: Settings) -> None:
    """Open the database, which migrates it."""
    async with open_app(settings):
        screen.print("The schema is up to date.")


async def add_user(settings: Settings, details: Mapping[str, Any], *, as_json: bool) -> None:
    """Create a user; raise ConfigError that names what is wrong with the details."""
    new = checked(NewUser, details, "The user")
    async with open_app(settings) as app:
        user = UserView(**await app.users.add(**new.model_dump()))
    if as_json:
        print_json(user.model_dump())
    else:
        screen.print(f"User {user.id} is {user.name}.", markup=False)


async def list_users(settings: Settings, *, as_json: bool) -> None:
    """Print all users."""
    async with open_existing(settings) as app:
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
        products = await _store(app, wanted)
        if wait:
            await _warn_without_workers(app)
            products = await watch(app, products, quiet=as_json)
    if as_json:
        print_json([product.model_dump() for product in products])
    else:
        print_images(products)
    return int(any(product.state == "failed" for product in products))


async def _store(app: App, wanted: Sequence[Product]) -> list[ProductView]:
    """Store products, many at once; raise InvalidInput, and store none, if one has no user."""
    await _check_users(app, wanted)
    ids: list[int] = []
    for start in range(0, len(wanted), STORED_AT_ONCE):
        some = wanted[start : start + STORED_AT_ONCE]
        added = await app.producer.submit_all(some, all_or_nothing=True)
        for product, one in zip(some, added, strict=True):
            if not one.has_user:  # deleted since we looked
                raise InvalidInput("user_id", f"There is no user {product.user_id} any more.")
        ids += [one.product_id for one in added if one.product_id]
    return [view_product(await app.products.get(product_id), app.store) for product_id in ids]


async def _check_users(app: App, wanted: Sequence[Product]) -> None:
    known = {user["id"] for user in await app.users.all()}
    for number, product in enumerate(wanted, 1):
        if product.user_id not in known:
            whose = f"whom product {number} ({product.product_name!r}) is for"
            raise InvalidInput("user_id", f"There is no user {product.user_id}, {whose}; nothing was stored.")


async def status(settings: Settings, *, watch: bool, as_json: bool) -> None:
    """Print the state of everything, once or until Ctrl-C."""
    async with open_existing(settings) as app:
        if as_json:
            print_json(dict(await app.backlog.summary()))
        elif watch:
            await _watch_status(app)
        else:
            screen.print(status_table(await app.backlog.summary()))


async def _watch_status(app: App) -> None:
    with live() as view:
        while True:
            try:
                view.update(status_table(await app.backlog.summary()), refresh=True)
            except ServiceUnavailable as error:  # what people watch for
                view.update(f"{error}\nWaiting for it.", refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


async def doctor(settings: Settings, *, as_json: bool) -> int:
    """Print what every check has found. The exit code is 1 if something is broken."""
    findings = await examine(settings)
    if as_json:
        print_json({name: asdict(finding) for name, finding in findings.items()})
    else:
        screen.print(findings_table(findings))
    return int(any(finding.verdict == "broken" for finding in findings.values()))


async def retry(
    settings: Settings, image_ids: Sequence[int], code: str | None, *, every: bool, as_json: bool
) -> None:
    """Give failed images new attempts."""
    if not (image_ids or every or code):
        raise ConfigError("Name the images to retry, or use --all or --code CODE.")
    if code and code not in CATALOGUE:
        raise ConfigError(f"There is no error code {code!r}; there are {', '.join(sorted(CATALOGUE))}.")
    async with open_existing(settings) as app:
        for image_id in image_ids:
            await app.producer.retry(image_id)
        count = len(image_ids) + (await app.producer.retry_failed(code) if every or code else 0)
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


def read_products(sources: Sequence[str], defaults: Mapping[str, Any]) -> list[Product]:
    """Read URLs as the images of one product, and files as JSON: a product, or a list of them.

    Raises ConfigError that names what is wrong.
    """
    urls = [source for source in sources if "://" in source]
    found = [_product({**defaults, "product_images": urls}, "The product")] if urls else []
    for file in (source for source in sources if "://" not in source):
        content = _read_json(file)
        for number, item in enumerate(content if isinstance(content, list) else [content], 1):
            found.append(_product(item, f"{file}: product {number}"))
    return found


def _read_json(file: str) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return parse_json(sys.stdin.read() if file == "-" else Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: neither a URL nor a JSON file of products: {error}") from error


def _product(said: object, what: str) -> Product:
    return checked(NewProduct, said, what).product()


def checked(body: type[Body], said: object, what: str) -> Body:
    """Return what is said in its shape; raise ConfigError that names every field that is not right."""
    try:
        return body.model_validate(said)
    except ValidationError as error:
        found = [f"{problem['field']}: {problem['message']}" for problem in problems(error.errors())]
        raise ConfigError("\n  ".join([f"{what} is not right:", *found])) from error


async def _warn_without_workers(app: App) -> None:
    summary = await app.backlog.summary()
    if not any(worker["slots"] for worker in summary["workers"]):
        print("No worker is running: start one with `packshot serve` or `packshot work`.", file=sys.stderr)  # noqa: T201 - a warning, not a log line
