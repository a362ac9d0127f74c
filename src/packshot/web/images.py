"""The routes of images and the pictures themselves."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from packshot.errors import NotFound
from packshot.presets import CONTENT_TYPES
from packshot.web.backend import Backend, InBackend
from packshot.web.bodies import LARGEST_BIGINT, NewImage
from packshot.web.guards import JsonRoute
from packshot.web.problems import BODY_REFUSALS, refusals
from packshot.web.ranges import read_range
from packshot.web.views import LOCATION, SUFFIXES, ImageView, view_image

router = APIRouter(tags=["images"], route_class=JsonRoute)

ImageId = Annotated[int, Path(ge=1, le=LARGEST_BIGINT)]
PresetName = Annotated[str, Path(description="`large`, or `large.avif` and `large.jpg` for one format.")]

PICTURE_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
# No ETag, because a 304 would prolong the redirect itself. Shorter than the life of a signed address, which
# ends with the keys that signed it: those of an instance's role may have five minutes left.
REDIRECT_HEADERS: Final = {"Cache-Control": "public, max-age=240"}
PICTURE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The picture.",
        "content": {kind: {"schema": {"type": "string"}} for kind in CONTENT_TYPES.values()},
    },
    206: {"description": "The part of the picture that `Range` names; stores elsewhere do that themselves."},
    304: {"description": "The picture that `If-None-Match` names is still the right one."},
    307: {"description": "The picture is in a store elsewhere, at `Location`."},
    **refusals(404, 416, 422),
}
MOST_COMPATIBLE_FIRST: Final = ("jpeg", "png", "webp", "avif")
UNWANTED: Final = re.compile(r"q=0(\.0*)?")


@router.post("/process-image", status_code=202, responses={202: LOCATION, **BODY_REFUSALS, **refusals(404)})
async def process_image(body: NewImage, backend: InBackend, response: Response) -> ImageView:
    """Download and compress one URL in the background."""
    row = await backend.producer.submit_image(body.image_url, body.product_id)
    response.headers["Location"] = f"/images/{row['image_id']}"
    return view_image(row, backend.store)


@router.get("/images/{image_id}", responses=refusals(404, 422))
async def read_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Read the state of one image."""
    return view_image(await backend.images.get(image_id), backend.store)


@router.post("/images/{image_id}/retry", status_code=202, responses=refusals(403, 404, 409, 422))
async def retry_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Give a failed image new attempts."""
    return view_image(await backend.producer.retry(image_id), backend.store)


@router.head("/images/{image_id}/{preset}", include_in_schema=False)
@router.get("/images/{image_id}/{preset}", response_class=Response, responses=PICTURE_RESPONSES)
async def read_picture(
    image_id: ImageId,
    preset: PresetName,
    backend: InBackend,
    request: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Serve a picture: `large` in the best format that `Accept` names, `large.avif` in this one."""
    row = await backend.images.get(image_id)
    rendition = _choose(row, preset, accept)
    etag = f'"{rendition["key"].rsplit("/", 1)[-1]}-{row["source_sha256"][:16]}"'
    vary = {} if "." in preset else {"Vary": "Accept"}
    headers = {**PICTURE_HEADERS, "ETag": etag, **vary}
    if etag in if_none_match or if_none_match == "*":
        return Response(status_code=304, headers=headers)
    if url := await _url_elsewhere(rendition["key"], backend):
        return RedirectResponse(url, headers=REDIRECT_HEADERS | vary)
    data = await backend.store.get(rendition["key"])
    headers["Content-Type"] = CONTENT_TYPES[rendition["format"]]
    is_same = request.headers.get("if-range", etag) == etag
    return _serve(data, headers, request.headers.get("range", "") if is_same else "")


async def _url_elsewhere(key: str, backend: Backend) -> str | None:
    return f"{backend.public_url}/{key}" if backend.public_url else await backend.store.url(key)


def _serve(data: bytes, headers: dict[str, str], wanted: str) -> Response:
    """Answer with the picture, or the part of it that is wanted."""
    part = read_range(wanted, len(data))
    if part is None:
        return Response(data, headers=headers | {"Accept-Ranges": "bytes"})
    if not part:
        size = {"Content-Range": f"bytes */{len(data)}"}
        raise HTTPException(416, f"The picture has {len(data)} bytes, and none of those.", size)
    place = {"Content-Range": f"bytes {part[0]}-{part[-1]}/{len(data)}"}
    return Response(data[part.start : part.stop], 206, headers | place)


def _choose(row: Any, name: str, accept: str) -> dict[str, Any]:  # noqa: ANN401 - a row
    found = [r for r in row["renditions"] if name in (r["preset"], r["preset"] + SUFFIXES[r["format"]])]
    if not found:
        raise NotFound(f"Image {row['image_id']} is {row['state']} and has no rendition {name!r}.")
    return _negotiate(found, accept)


def _negotiate(renditions: Sequence[dict[str, Any]], accept: str) -> dict[str, Any]:
    """Take the first format that is accepted by name; a wildcard promises only what all can show."""
    wanted = _wishes(accept)
    opinions = [(rendition, wanted.get(CONTENT_TYPES[rendition["format"]])) for rendition in renditions]
    if by_name := [rendition for rendition, is_wanted in opinions if is_wanted]:
        return by_name[0]
    possible = [rendition for rendition, is_wanted in opinions if is_wanted is None] or renditions
    return min(possible, key=lambda rendition: MOST_COMPATIBLE_FIRST.index(rendition["format"]))


def _wishes(accept: str) -> dict[str, bool]:
    """Read an Accept header: is this content type wanted? Our own order matters more than its weights."""
    parts = (part.split(";") for part in accept.lower().replace(" ", "").split(","))
    return {kind: not any(UNWANTED.fullmatch(word) for word in weight) for kind, *weight in parts}
