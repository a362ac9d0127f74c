"""
The command line. Thin: heavy modules are imported inside the commands, so that help comes at once.

Exit codes: 0 done, 1 something failed (an image, the database), 2 the settings or arguments are wrong.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from packshot import __version__
from packshot.cli_keys import keys
from packshot.cli_webhooks import webhooks
from packshot.errors import ConfigError, PackshotError
from packshot.redaction import Redaction
from packshot.running import run_command

cli = typer.Typer(
    name="packshot",
    help="Takes products with image URLs, and makes their pictures small, safe and yours.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
users = typer.Typer(help="Whom products belong to.", no_args_is_help=True)
cli.add_typer(users, name="users")
cli.add_typer(keys, name="keys")
store = typer.Typer(help="Where the pictures are.", no_args_is_help=True)
cli.add_typer(store, name="store")
cli.add_typer(webhooks, name="webhooks")

Sources = Annotated[
    list[str], typer.Argument(help="URLs of one product, or JSON files of products (- is stdin).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        typer.echo(f"packshot {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    *,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version)
    ] = False,
) -> None:
    """Take what is said before the command."""


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

    run_command(migrate)


@users.command("add")
def add_user(
    name: str,
    mobile: Annotated[str | None, typer.Option()] = None,
    latitude: Annotated[float | None, typer.Option(help="In degrees, north is positive.")] = None,
    longitude: Annotated[float | None, typer.Option(help="In degrees, east is positive.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Create a user and print the id."""
    from packshot.commands import add_user  # noqa: PLC0415 - heavy

    details = {"name": name, "mobile": mobile, "latitude": latitude, "longitude": longitude}
    run_command(add_user, details, as_json=as_json)


@users.command("list")
def list_users(*, as_json: Json = False) -> None:
    """Print all users."""
    from packshot.commands import list_users  # noqa: PLC0415 - heavy

    run_command(list_users, as_json=as_json)


@cli.command()
def submit(
    sources: Sources,
    *,
    name: Annotated[str, typer.Option(help="The product's name, for URLs.")] = "Product",
    price: Annotated[str, typer.Option(help="The product's price, for URLs.")] = "0",
    user_id: Annotated[int, typer.Option(help="Whom the product belongs to, for URLs.")] = 1,
    wait: Annotated[bool, typer.Option(help="Show progress until every image has ended.")] = True,
    as_json: Json = False,
) -> None:
    """Submit products and watch their images become ready. Exit code 1 if an image failed."""
    from packshot.commands import submit  # noqa: PLC0415 - heavy

    defaults = {"user_id": user_id, "product_name": name, "product_price": price}
    run_command(submit, sources, defaults, wait=wait, as_json=as_json)


@cli.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show how many images are in which state, and who works on them."""
    from packshot.commands import status  # noqa: PLC0415 - heavy

    run_command(status, watch=watch, as_json=as_json)


@cli.command()
def doctor(*, as_json: Json = False) -> None:
    """Check every connection, permission, version and limit, and say what to do. Exit code 1 if broken."""
    from packshot.commands import doctor  # noqa: PLC0415 - heavy

    run_command(doctor, as_json=as_json)


@cli.command()
def retry(
    image_ids: Annotated[
        list[int] | None, typer.Argument(help="Failed images.", min=1, max=2**63 - 1)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every failed image.")] = False,
    code: Annotated[str | None, typer.Option(help="Every image that failed with this code.")] = None,
    as_json: Json = False,
) -> None:
    """Give failed images new attempts."""
    from packshot.commands import retry  # noqa: PLC0415 - heavy

    run_command(retry, image_ids or [], code, every=every, as_json=as_json)


@cli.command()
def gc(
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them, not only count them.")] = False,
    even_most: Annotated[bool, typer.Option("--even-most", help="Even if it is most of the store.")] = False,
    grace_hours: Annotated[
        float, typer.Option(help="Younger files are left alone: a worker may just be making them.", min=0)
    ] = 24,
    as_json: Json = False,
) -> None:
    """Find files in the store that nobody refers to."""
    from packshot.upkeep import collect_garbage  # noqa: PLC0415 - heavy

    run_command(collect_garbage, delete=delete, even_most=even_most, grace_hours=grace_hours, as_json=as_json)


@cli.command()
def reprocess(
    *,
    preset: Annotated[str | None, typer.Option(help="This preset alone.")] = None,
    sample: Annotated[str, typer.Option(help="A part of all images, the same one each time: 1%.")] = "100%",
    as_json: Json = False,
) -> None:
    """Bring images that are ready to the presets of today. Exit code 1 if some could not be."""
    from packshot.upkeep import reprocess  # noqa: PLC0415 - heavy

    run_command(reprocess, preset=preset, sample=sample, as_json=as_json)


@store.command("copy")
def copy_store(
    origin: Annotated[str, typer.Argument(metavar="FROM", help="file:///folder or s3://bucket/prefix.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Likewise.")],
    *,
    switch: Annotated[bool, typer.Option("--switch", help="Make the products lead to the copy.")] = False,
    as_json: Json = False,
) -> None:
    """Copy all files of a store to another one; what is there already is compared and left alone."""
    from packshot.upkeep import copy_store  # noqa: PLC0415 - heavy

    run_command(copy_store, origin, target, switch_locations=switch, as_json=as_json)


@cli.command()
def explain(
    code: Annotated[str | None, typer.Argument(help="What `error.code` says; without it all codes.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Say what an error code means, what helps, and who can fix it."""
    from packshot.explanations import explain  # noqa: PLC0415 - heavy

    typer.echo(explain(code, as_json=as_json))


@cli.command()
def demo(
    pictures: Annotated[
        Path | None, typer.Option(help="A folder of pictures; without it some are drawn.")
    ] = None,
) -> None:
    """Show the main job on real pictures, from nothing, and end."""
    from packshot.demo import demo  # noqa: PLC0415 - heavy

    run_command(demo, pictures)


def main() -> None:
    """Run a command; every error that a person can act on is one message, never a traceback."""
    command = get_command(cli)
    _show_flags_without_a_type(command)
    try:
        command(prog_name="packshot")
    except ConfigError as error:
        _fail(str(error), code=2)
    except PackshotError as error:
        _fail(str(error), code=1)
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


def _show_flags_without_a_type(command: Any) -> None:  # noqa: ANN401 - typer does not show its classes
    """Spare readers of the help the `<bool>` behind each flag, which takes no value."""
    for option in command.get_params(typer.Context(command)):
        if getattr(option, "is_flag", False):
            option.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        _show_flags_without_a_type(inner)


def _run_daemon(*, api: bool, worker: bool) -> None:
    from packshot.daemon import run  # noqa: PLC0415 - heavy
    from packshot.terminal import announce  # noqa: PLC0415 - heavy

    run_command(run, announce, api=api, worker=worker)


def _fail(message: str, *, code: int) -> None:
    typer.echo(Redaction().text(message), err=True)
    sys.exit(code)
