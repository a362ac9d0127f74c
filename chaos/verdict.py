"""
What the books must say in the end, image by image.

Every accepted image is ready, with all its files as a run without faults makes them, or failed as one
that lost three workers; it became so once; and nothing but its one good attempt was used up.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.system import System
from packshot.errors import WorkerLost
from packshot.settings import Settings

IMAGES: Final = """
    SELECT i.image_id, i.product_id, i.position, i.state, i.error_code, i.source_url,
           i.max_attempts - i.attempt AS attempts_left,
           p.compressed_product_images[i.position + 1] AS location,
           ARRAY(SELECT (r.key, r.preset, r.format, r.bytes)
                   FROM renditions r WHERE r.key = ANY(i.rendition_keys)
                  ORDER BY array_position(i.rendition_keys, r.key)) AS renditions,
           cardinality(i.rendition_keys) AS wanted,
           (SELECT count(*) FROM audit a WHERE a.image_id = i.image_id AND a.new_state = 'ready') AS made,
           (SELECT count(*) FROM audit a
             WHERE a.image_id = i.image_id AND a.new_state IN ('ready', 'failed')) AS ended
      FROM images i JOIN products p USING (product_id)"""
PATIENCE: Final = """
    SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), 0) AS median,
           coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds), 0) AS most,
           coalesce(max(seconds), 0) AS longest
      FROM (SELECT extract(epoch FROM max(a.at) - i.created_at)::float8 AS seconds
              FROM images i JOIN audit a USING (image_id) GROUP BY i.image_id) AS lives"""

ATTEMPTS: Final = Settings.model_fields["max_attempts"].default

Pixels = Mapping[tuple[int, str, str], str]  # sha256 of a rendition by picture, preset and format


@dataclass(frozen=True, slots=True)
class Offence:
    """A promise that was not kept, and the image that it was given for."""

    image_id: int
    kind: str  # lost, twice, stuck, or attempt
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many images there were, and what is wrong with some."""

    images: int
    products: int
    failed: Counter[str]
    offences: list[Offence]
    histories: list[str]
    lives: Mapping[str, float]  # seconds from the commit of an image to its end


async def judge(system: System, expected: Pixels) -> Verdict:
    """Read the books to the end."""
    rows = await system.books.ask(IMAGES)
    found = await asyncio.to_thread(lambda: list(_offences(system, rows, expected)))
    found += _missing(system, rows)
    histories = [await _history(system, offence) for offence in found[:5] if offence.image_id]
    failed = Counter(row["error_code"] for row in rows if row["state"] == "failed")
    (lives,) = await system.books.ask(PATIENCE)
    return Verdict(len(rows), len(system.load.accepted), failed, found, histories, dict(lives))


async def learn(system: System) -> Pixels:
    """Make each picture once while nothing is broken, and return what comes out."""
    images = await system.load.submit(len(system.supplier.pictures))
    assert not await system.books.settled(images, 60), "not even a calm run ends"
    rows = await system.books.ask(IMAGES)
    return {
        (system.supplier.picture_at(row["source_url"]), preset, format_): _sha256(system.store / key)
        for row in rows
        for key, preset, format_, _ in row["renditions"]
    }


def _offences(system: System, rows: Sequence[Any], expected: Pixels) -> Iterator[Offence]:
    for row in rows:
        for kind, what in _wrongs(row, lambda row: _damage(system, row, expected)):
            yield Offence(row["image_id"], kind, what)


def _wrongs(row: Any, damage: Callable[[Any], str]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a database row
    if row["state"] in ("pending", "processing"):
        yield "stuck", row["state"]
        return
    if row["ended"] != 1 or row["made"] > 1:
        yield "twice", f"ended {row['ended']} times, {row['made']} times ready"
    if row["state"] == "failed" and row["error_code"] != WorkerLost.code:
        yield "lost", f"failed: {row['error_code']}"
    if row["state"] == "ready" and (what := damage(row)):
        yield "lost", what
    if row["attempts_left"] != ATTEMPTS - (row["state"] == "ready"):
        yield "attempt", f"{row['attempts_left']} attempts left, {row['state']}"


def _damage(system: System, row: Any, expected: Pixels) -> str:  # noqa: ANN401 - a database row
    picture = system.supplier.picture_at(row["source_url"])
    wanted = {place: sha256 for place, sha256 in expected.items() if place[0] == picture}
    found = {
        (picture, preset, format_): _sha256(system.store / key)
        for key, preset, format_, _ in row["renditions"]
    }
    main = system.store / row["renditions"][0][0] if row["renditions"] else None
    if row["location"] != str(main):
        return f"the product says {row['location']}, the image {main}"
    return "" if found == wanted else f"{len(wanted.items() - found.items())} files are missing or differ"


def _missing(system: System, rows: Sequence[Any]) -> list[Offence]:
    there = {(row["product_id"], row["position"]): row["source_url"] for row in rows}
    return [
        Offence(0, "lost", f"product {product_id} has no image of {url}")
        for product_id, urls in system.load.accepted.items()
        for position, url in enumerate(urls)
        if there.get((product_id, position)) != url
    ]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


async def _history(system: System, offence: Offence) -> str:
    moves = await system.books.history(offence.image_id)
    return f"image {offence.image_id}: {offence.kind}, {offence.what}\n{moves}"
