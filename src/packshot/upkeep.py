"""What the commands do that look after what is there: collect garbage, move house, follow new presets."""

from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from packshot.app import App
from packshot.errors import ConfigError
from packshot.existing import open_existing
from packshot.garbage import Findings, GarbageCollection
from packshot.moving import Load, Move, switch
from packshot.settings import Settings, aws_environment
from packshot.stores import ANY_KEY, Store, open_store
from packshot.terminal import comparison_table, counting, print_json, progress_of, reaching, screen, size
from packshot.workshop import open_reprocessing

MOST_IS_GARBAGE: Final = """\
This database knows {in_use:,} files of this store, and {garbage:,} would go. Are PACKSHOT_DATABASE_URL,
PACKSHOT_DATA_DIR and PACKSHOT_STORE_URL those of one installation? If they are: --even-most."""
HOW_TO_SWITCH: Final = """\
To switch: set PACKSHOT_STORE_URL to the new store and restart every process; then run this command once more,
with --switch, for what came in meanwhile and for the locations in the products."""


async def collect_garbage(
    settings: Settings, *, delete: bool, even_most: bool, grace_hours: float, as_json: bool
) -> None:
    """Look through the store for files that nobody refers to.

    Raises ConfigError rather than delete most of a store: that is what a wrong database looks like.
    """
    async with open_existing(settings) as app:
        found = await _look_through(app, grace_hours=grace_hours, delete=False, quiet=as_json)
        if delete and found.garbage > found.in_use and not even_most:
            raise ConfigError(MOST_IS_GARBAGE.format(garbage=found.garbage, in_use=found.in_use))
        if delete:
            found = await _look_through(app, grace_hours=grace_hours, delete=True, quiet=as_json)
    if as_json:
        print_json(found.summary())
    else:
        screen.print(_describe(found, delete=delete), markup=False)


async def _look_through(app: App, *, grace_hours: float, delete: bool, quiet: bool) -> Findings:
    collection = GarbageCollection(app.database, app.store, grace_hours=grace_hours, delete=delete)
    with counting("files", quiet=quiet) as bar:
        await collection.run(lambda found: bar(found.files, f"{size(found.garbage_bytes)} of garbage"))
    return collection.findings


async def copy_store(
    settings: Settings, origin_url: str, target_url: str, *, switch_locations: bool, as_json: bool
) -> int:
    """Copy all files of one store to another; with `switch_locations` products lead there afterwards.

    The exit code is 1 if some file is there with other bytes.
    """
    origin, target = (open_store(url, aws_environment()) for url in (origin_url, target_url))
    _check(settings, origin_url, target_url, switch_locations=switch_locations)
    with TemporaryDirectory(prefix="packshot-") as folder, counting("files", quiet=as_json) as bar:
        move = Move(origin, target, folder)
        await move.run(lambda load: bar(load.files, f"{size(load.copied_bytes)} copied"))
    if not move.load.files:
        raise ConfigError("There are no files in FROM, or there is no such place; nothing was copied.")
    switched = await _switch(settings, origin, target) if switch_locations else None
    if as_json:
        print_json({**move.load.summary(), "switched_products": switched})
    else:
        screen.print(_account(move.load, switched), markup=False)
    return int(move.load.different > 0)


async def reprocess(settings: Settings, *, preset: str | None, sample: str, as_json: bool) -> int:
    """Bring ready images to the presets of today. The exit code is 1 if some were left as they were."""
    share = read_share(sample)
    async with open_existing(settings) as app, open_reprocessing(app, preset, share) as reprocessing:
        found = reprocessing.comparison
        last_id = await reprocessing.last_id()
        with reaching("images", last_id, quiet=as_json) as bar:
            await reprocessing.run(lambda image_id: bar(image_id, progress_of(found)))
            bar(last_id, progress_of(found))
    if as_json:
        print_json(found.summary())
    else:
        screen.print(comparison_table(found))
    return int(found.left.total() > 0)


def read_share(sample: str) -> float:
    """Read `1%` as 0.01; raise ConfigError if it is no part of a whole."""
    try:
        share = float(sample.removesuffix("%")) / 100
    except ValueError:
        share = 0
    if not (sample.endswith("%") and 0 < share <= 1):
        raise ConfigError(f"--sample: must be a part of all images like 1% or 0.5%, not {sample!r}.")
    return share


async def _switch(settings: Settings, origin: Store, target: Store) -> int:
    async with open_existing(settings) as app:
        return await switch(app.database, origin, target)


def _check(settings: Settings, origin_url: str, target_url: str, *, switch_locations: bool) -> None:
    environment = aws_environment()
    origin, target, ours = (
        open_store(url, environment).location(ANY_KEY)
        for url in (origin_url, target_url, settings.store_dir_url)
    )
    if origin == target and urlsplit(origin_url).query == urlsplit(target_url).query:
        raise ConfigError("FROM and TO are the same store.")
    if switch_locations and target != ours:
        raise ConfigError("--switch: set PACKSHOT_STORE_URL to TO and restart every process first.")


def _describe(found: Findings, *, delete: bool) -> str:
    fate = "deleted" if delete else "found; --delete deletes it"
    return (
        f"{found.files:,} files: {found.in_use:,} in use, {found.young:,} too young to judge,"
        f" {found.foreign:,} not ours.\n"
        f"{found.garbage:,} files of garbage ({size(found.garbage_bytes)}) {fate}."
    )


def _account(load: Load, switched: int | None) -> str:
    copied = (
        f"{load.copied:,} files ({size(load.copied_bytes)}) copied and compared, {load.same:,} were there"
        f" already, {load.foreign:,} are not ours and were left."
    )
    if load.different:
        copied += (
            f"\n{load.different:,} files differ between the two and were left alone; the log names them."
            " Delete the damaged ones and start again."
        )
    return (
        f"{copied}\n{HOW_TO_SWITCH if switched is None else f'{switched:,} products lead to the new store.'}"
    )
