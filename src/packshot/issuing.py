"""
Hands out access keys, lists and ends them: `packshot keys`.

A key goes to standard output and nothing else does, so that a script can catch it; or into a file, which
is left alone for as long as the key in it works, however often a container starts again.
"""

import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from packshot.app import App, open_app
from packshot.commands import checked
from packshot.errors import ConfigError
from packshot.existing import open_existing
from packshot.keys import hash_of, is_well_formed
from packshot.settings import Settings
from packshot.terminal import print_json, print_table, screen
from packshot.web.keys import FreshKey, KeyView, NewKey

LIST: Final = (
    "key_id",
    "prefix",
    "name",
    "scope",
    "state",
    "requests_per_minute",
    "created_at",
    "expires_at",
    "last_used_at",
)
SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}
TIME: Final = re.compile(r"([1-9]\d{0,5})([mhd])", re.ASCII)


async def create_key(
    settings: Settings, details: Mapping[str, Any], expires: str, output: Path | None, *, as_json: bool
) -> None:
    """Make a key and print it, or write it into a file that holds none that works."""
    new = checked(NewKey, {**details, "expires_in_seconds": seconds_in(expires)}, "The key")
    async with open_app(settings) as app:
        if output and await holds_such_key(app, output, new):
            _say(f"{output} holds a key with the scope {new.scope} that works; it stays.")
            return
        secret, row = await app.keyring.keys.create(**new.model_dump())
        if output:
            await _keep(app, output, secret)
    key = FreshKey(**row, key=secret) if output is None else KeyView(**row)
    if as_json:
        print_json(key.model_dump())
    else:
        _show(key, secret if output is None else "")


async def list_keys(settings: Settings, *, as_json: bool) -> None:
    """Print all keys."""
    async with open_existing(settings) as app:
        keys = [KeyView(**row).model_dump() for row in await app.keyring.keys.all()]
    if as_json:
        print_json(keys)
    else:
        print_table(LIST, ([_cell(key[column]) for column in LIST] for key in keys))


async def revoke_key(settings: Settings, which: str, *, as_json: bool) -> None:
    """End a key for good."""
    async with open_existing(settings) as app:
        key = KeyView(**await app.keyring.keys.revoke(which))
    if as_json:
        print_json(key.model_dump())
    else:
        screen.print(f"Key {key.key_id} ({key.prefix}, {key.name}) does not work any more.", markup=False)


def seconds_in(time: str) -> int | None:
    """Read 90d; nothing is never. Raise ConfigError."""
    if not time:
        return None
    found = TIME.fullmatch(time)
    if found is None:
        raise ConfigError(f"--expires {time}: write a number of minutes, hours or days: 30m, 12h, 90d.")
    return int(found[1]) * SECONDS[found[2]]


async def holds_such_key(app: App, file: Path, wanted: NewKey) -> bool:
    """Tell whether the file holds a key that works and has the scope that is wanted."""
    content = _read(file)
    if content and not is_well_formed(content):
        raise ConfigError(f"{file} holds something else than a key; name a file that may be written.")
    held = hash_of(content)
    return any(
        row["sha256"] == held and row["scope"] == wanted.scope for row in await app.keyring.keys.usable()
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _write(file: Path, secret: str) -> None:
    """Put the key into a file that only its owner can read."""
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as new:
        new.write(f"{secret}\n")
    Path(new.name).replace(file)


async def _keep(app: App, file: Path, secret: str) -> None:
    """Write the key down; one that nobody has shall not work."""
    try:
        _write(file, secret)
    except OSError as error:
        await app.keyring.keys.revoke(secret)
        raise ConfigError(f"The key cannot be written to {file}: {error.strerror}.") from error


def _show(key: KeyView, secret: str) -> None:
    if secret:
        print(secret)  # noqa: T201 - bare, for a script to catch
    end = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "until it is revoked"
    _say(f"Key {key.key_id} ({key.prefix}…) has the scope {key.scope}, {end}. It cannot be shown again.")


def _cell(value: object) -> object:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 - a note, not a log line
