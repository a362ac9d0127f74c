"""The part of the command line that is about access keys; thin like the rest of it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from packshot.running import run_command

keys = typer.Typer(
    help="Who may use the API. Without any key it serves this machine only.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    *,
    scope: Annotated[
        Literal["read", "write", "admin"], typer.Option(help="write includes read; admin includes all.")
    ],
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="When it ends: 12h, 90d. Never, if not said.")
    ] = "",
    rate: Annotated[
        int | None, typer.Option(help="Requests per minute, if not PACKSHOT_RATE_LIMIT.", min=1)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the key into this file, once: if it holds one that works, do nothing."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an access key and print it. It cannot be shown again."""
    from packshot.issuing import create_key  # noqa: PLC0415 - heavy

    details = {"name": name, "scope": scope, "requests_per_minute": rate}
    run_command(create_key, details, expires, output, as_json=as_json)


@keys.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """Print all access keys, without what could be used."""
    from packshot.issuing import list_keys  # noqa: PLC0415 - heavy

    run_command(list_keys, as_json=as_json)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="PREFIX_OR_ID", help="As `packshot keys list` shows them.")],
    *,
    as_json: Json = False,
) -> None:
    """End an access key. It stops working within a second."""
    from packshot.issuing import revoke_key  # noqa: PLC0415 - heavy

    run_command(revoke_key, key, as_json=as_json)
