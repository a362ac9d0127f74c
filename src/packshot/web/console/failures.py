"""What failed, in groups that have one cause: to be tried again, or sent to a supplier as a table."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.types import Send

from packshot.errors import CATALOGUE, InvalidInput, ServiceUnavailable
from packshot.models import LARGEST_BIGINT
from packshot.overview import FailedImage
from packshot.web.backend import InBackend
from packshot.web.console.doors import Page
from packshot.web.console.forms import Form
from packshot.web.console.pages import show
from packshot.web.problems import note_outage

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)

ON_A_PAGE: Final = 50
HOST_CHARACTERS: Final = 300
COLUMNS: Final = (
    "product_id",
    "product_name",
    "image",
    "url",
    "code",
    "what happened",
    "what to do",
    "failed at",
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would calculate what begins so
TEXT: Final = r"^[^\x00]*$"  # which PostgreSQL takes

Code = Annotated[str, Query(max_length=60, pattern=TEXT)]
Host = Annotated[str, Query(max_length=HOST_CHARACTERS, pattern=TEXT)]


class Table(StreamingResponse):
    """A table that breaks off when the database goes: then nobody takes what came for all of it."""

    async def stream_response(self, send: Send) -> None:
        """Send it; the server ends the connection of an answer that was not ended."""
        try:
            await super().stream_response(send)
        except ServiceUnavailable as error:
            note_outage(error)


@router.get("/failures")
async def list_failures(
    request: Request,
    backend: InBackend,
    code: Code = "",
    host: Host = "",
    before: Annotated[int | None, Query(ge=1, le=LARGEST_BIGINT)] = None,
    retried: Annotated[int | None, Query(ge=0, le=LARGEST_BIGINT)] = None,
) -> Response:
    """Show the groups; or the images of one, of a code, or of a host."""
    chosen = {name: value for name, value in (("code", code), ("host", host)) if value}
    images = (
        await backend.overview.failed_images(code or None, host or None, before=before, limit=ON_A_PAGE + 1)
        if chosen
        else []
    )
    older = urlencode({**chosen, "before": images[ON_A_PAGE - 1].image_id}) if len(images) > ON_A_PAGE else ""
    return await show(
        request,
        "failures.html",
        groups=[] if chosen else await backend.overview.failures(),
        images=images[:ON_A_PAGE],
        chosen=chosen,
        kind=CATALOGUE.get(code),
        query=urlencode(chosen),
        older=older,
        retried=retried,
    )


@router.post("/failures/retry")
async def retry_failures(backend: InBackend, fields: Form) -> Response:
    """Give the images of a group, or all that failed, new attempts."""
    code, host = fields.get("code"), fields.get("host")
    if not (code or host or "all" in fields):
        raise InvalidInput("all", "The form says neither which failures to retry, nor all of them.")
    number = await backend.producer.retry_failed(code or None, host or None)
    return RedirectResponse(f"/console/failures?retried={number}", 303)


@router.get("/failures.csv")
async def download_failures(backend: InBackend, code: Code = "", host: Host = "") -> Response:
    """Write all of them as a table."""
    name = "-".join(["failures", *(part for part in (host, code) if part)])
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    batches = backend.overview.every_failed_image(code or None, host or None)
    return Table(
        _table(await anext(batches, []), batches),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{safe}.csv"', "Cache-Control": "no-store"},
    )


async def _table(
    first: Sequence[FailedImage], others: AsyncIterator[Sequence[FailedImage]]
) -> AsyncIterator[str]:
    yield "\ufeff" + _lines([COLUMNS])  # the mark tells spreadsheets that it is UTF-8
    yield _lines([_row(image) for image in first])
    async for batch in others:
        yield _lines([_row(image) for image in batch])


def _row(image: FailedImage) -> tuple[str, ...]:
    return (
        str(image.product_id or ""),
        image.product_name or "",
        "" if image.position is None else str(image.position + 1),
        image.source_url,
        image.error_code,
        image.error_message,
        CATALOGUE[image.error_code].advice,
        image.failed_at.isoformat(timespec="seconds"),
    )


def _lines(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def _inert(cell: str) -> str:
    """Let a cell be nothing but text, whoever wrote it."""
    return f"'{cell}" if cell.lstrip().startswith(FORMULA) or cell.startswith(FORMULA) else cell
