"""
The command line. Thin: heavy modules are imported inside the commands, so that help comes at once.

Exit codes: 0 done, 1 something failed (an image, the database), 2 the settings or arguments are wrong.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from packshot.errors import ConfigError, PackshotError
from packshot.settings import load_settings
from packshot.telemetry import start_logging

cli = typer.Typer(
    name="packshot",
    help="Takes products with image URLs, and makes their pictures small, safe and yours.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
users = typer.Typer(help="Whom products belong to.", no_args_is_help=True)
cli.add_typer(users, name="users")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@cli.command()
def serve() -> None:
    """Run the API, the workers and the sweeper in one process."""
    _run_daemon(api=True, worker=True)


@cli.command()
def api() -> None:
    """Run the API alone."""
    _run_daemon(api=True, worker=False)


@cli.command()
def work() -> None:
    """Run a worker alone."""
    _run_daemon(api=False, worker=True)


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to date; the other commands do it too."""
    from packshot.commands import migrate  # noqa: PLC0415 - heavy

    _run(migrate(load_settings()))


@users.command("add")
def add_user(
    name: str,
    mobile: Annotated[str | None, typer.Option()] = None,
    latitude: Annotated[float | None, typer.Option()] = None,
    longitude: Annotated[float | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Create a user and print the id."""
    from packshot.commands import add_user  # noqa: PLC0415 - heavy

    _run(add_user(load_settings(), name, mobile, latitude, longitude, as_json=as_json))


@users.command("list")
def list_users(as_json: Json = False) -> None:
    """Print all users."""
    from packshot.commands import list_users  # noqa: PLC0415 - heavy

    _run(list_users(load_settings(), as_json=as_json))


@cli.command()
def submit(
    sources: Annotated[list[str], typer.Argument(help="URLs of one product, or JSON files of products (- is stdin).")],
    name: Annotated[str, typer.Option(help="The product's name, for URLs.")] = "Product",
    description: Annotated[str, typer.Option(help="The product's description, for URLs.")] = "",
    price: Annotated[str, typer.Option(help="The product's price, for URLs.")] = "0",
    user_id: Annotated[int, typer.Option(help="Whom the product belongs to, for URLs.")] = 1,
    wait: Annotated[bool, typer.Option(help="Show progress until every image has ended.")] = True,
    as_json: Json = False,
) -> None:
    """Submit products and watch their images become ready. Exit code 1 if an image failed."""
    from packshot.commands import submit  # noqa: PLC0415 - heavy

    defaults = {"user_id": user_id, "product_name": name, "product_description": description, "product_price": price}
    _run(submit(load_settings(), sources, defaults, wait=wait, as_json=as_json))


@cli.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False, as_json: Json = False
) -> None:
    """Show how many images are in which state, and who works on them."""
    from packshot.commands import status  # noqa: PLC0415 - heavy

    _run(status(load_settings(), watch=watch, as_json=as_json))


@cli.command()
def retry(
    image_ids: Annotated[list[int] | None, typer.Argument(help="Failed images.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every failed image.")] = False,
    code: Annotated[str | None, typer.Option(help="Every image that failed with this code.")] = None,
    as_json: Json = False,
) -> None:
    """Give failed images new attempts."""
    from packshot.commands import retry  # noqa: PLC0415 - heavy

    if not (image_ids or every or code):
        raise ConfigError("Name the images to retry, or use --all or --code CODE.")
    _run(retry(load_settings(), image_ids or [], code, every=every, as_json=as_json))


@cli.command()
def demo(
    pictures: Annotated[Path | None, typer.Option(help="A folder of pictures; without it some are drawn.")] = None,
) -> None:
    """Show the main job on real pictures, from nothing, and end."""
    from packshot.demo import demo  # noqa: PLC0415 - heavy

    start_logging("error")
    _run(demo(load_settings(), pictures))


def main() -> None:
    """Run a command; every error that a person can act on is one message, never a traceback."""
    try:
        cli()
    except ConfigError as error:
        _fail(str(error), code=2)
    except PackshotError as error:
        _fail(str(error), code=1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `packshot status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _run_daemon(*, api: bool, worker: bool) -> None:
    from packshot.daemon import run  # noqa: PLC0415 - heavy
    from packshot.terminal import announce  # noqa: PLC0415 - heavy

    settings = load_settings()
    start_logging(settings.log_level)
    _run(run(settings, announce, api=api, worker=worker))


def _run(command: Coroutine[Any, Any, int | None]) -> None:
    import uvloop  # noqa: PLC0415 - heavy

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(command)
    if code:
        raise typer.Exit(code)


def _fail(message: str, *, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
