"""The command line of webhooks, below `packshot webhooks`. As thin as the rest of it."""

from datetime import datetime
from typing import Annotated

import typer

from packshot.running import run_command

webhooks = typer.Typer(help="Who is told when images and products have ended.", no_args_is_help=True)

WebhookId = Annotated[int, typer.Argument(metavar="ID", help="As `packshot webhooks list` shows it.", min=1)]
SomeWebhook = Annotated[int | None, typer.Argument(metavar="[ID]", help="Of this webhook alone.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@webhooks.command()
def add(
    url: Annotated[str, typer.Argument(help="Where messages go: https://…")],
    *,
    events: Annotated[
        str, typer.Option(help="Comma-separated: image.ready, image.failed, product.completed. Default: all.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Register a webhook and print its secret, this once."""
    from packshot.correspondence import add  # noqa: PLC0415 - heavy

    run_command(add, url, events, as_json=as_json)


@webhooks.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Print all webhooks and how they are."""
    from packshot.correspondence import list_all  # noqa: PLC0415 - heavy

    run_command(list_all, as_json=as_json)


@webhooks.command()
def remove(webhook_id: WebhookId) -> None:
    """Delete a webhook and its log."""
    from packshot.correspondence import remove  # noqa: PLC0415 - heavy

    run_command(remove, webhook_id)


@webhooks.command()
def enable(webhook_id: WebhookId) -> None:
    """Send again to a webhook that was disabled; what waited goes out."""
    from packshot.correspondence import enable  # noqa: PLC0415 - heavy

    run_command(enable, webhook_id)


@webhooks.command()
def rotate(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Give a webhook a new secret; for a day messages are signed with the old one, too."""
    from packshot.correspondence import rotate  # noqa: PLC0415 - heavy

    run_command(rotate, webhook_id, as_json=as_json)


@webhooks.command()
def log(
    webhook_id: SomeWebhook = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only what has failed.")] = False,
    limit: Annotated[int, typer.Option(help="The latest so many.", min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """Print what was sent in the last seven days, newest first, and what came back."""
    from packshot.correspondence import show_log  # noqa: PLC0415 - heavy

    run_command(show_log, webhook_id, failed=failed, limit=limit, as_json=as_json)


@webhooks.command()
def replay(
    delivery_ids: Annotated[
        list[int] | None, typer.Argument(help="As `packshot webhooks log` shows them.", min=1)
    ] = None,
    *,
    since: Annotated[
        datetime | None, typer.Option(help="Everything of events since then (UTC) that has failed.")
    ] = None,
    webhook_id: Annotated[
        int | None, typer.Option("--webhook", help="With --since: of this one alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send messages once more, under the same id."""
    from packshot.correspondence import replay  # noqa: PLC0415 - heavy

    run_command(replay, delivery_ids or [], since, webhook_id, as_json=as_json)


@webhooks.command("test")
def try_out(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Send a message that tells of nothing, and print what came back. Exit code 1 if it is no success."""
    from packshot.correspondence import try_out  # noqa: PLC0415 - heavy

    run_command(try_out, webhook_id, as_json=as_json)
