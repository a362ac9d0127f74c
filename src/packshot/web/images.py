"""The routes of images and the pictures themselves."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Response

from packshot.errors import NotFound
from packshot.presets import CONTENT_TYPES
from packshot.web.backend import InBackend
from packshot.web.guards import JsonRoute
from packshot.web.views import LARGEST_BIGINT, SUFFIXES, ImageView, NewImage, view_image

router = APIRouter(tags=["images"], route_class=JsonRoute)

ImageId = Annotated[int, Path(ge=1, le=LARGEST_BIGINT)]

PICTURE_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
MOST_COMPATIBLE_FIRST: Final = ("jpeg", "png", "webp", "avif")


@router.post("/process-image", status_code=202)
async def process_image(body: NewImage, backend: InBackend, response: Response) -> ImageView:
    """Download and compress one URL in the background."""
    row = await backend.producer.submit_image(body.image_url, body.product_id)
    response.headers["Location"] = f"/images/{row['image_id']}"
    return view_image(row, backend.store)


@router.get("/images/{image_id}")
async def read_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Read the state of one image."""
    return view_image(await backend.images.get(image_id), backend.store)


@router.post("/images/{image_id}/retry", status_code=202)
async def retry_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Give a failed image new attempts."""
    return view_image(await backend.producer.retry(image_id), backend.store)


@router.head("/images/{image_id}/{preset}", include_in_schema=False)
@router.get("/images/{image_id}/{preset}", response_class=Response)
async def read_picture(
    image_id: ImageId,
    preset: str,
    backend: InBackend,
    accept: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Serve a picture: `large` in the best format that `Accept` names, `large.avif` in this one."""
    row = await backend.images.get(image_id)
    rendition = _choose(row, preset, accept)
    etag = f'"{rendition["key"].rsplit("/", 1)[-1]}-{row["source_sha256"][:16]}"'
    headers = {**PICTURE_HEADERS, "ETag": etag} | ({} if "." in preset else {"Vary": "Accept"})
    if etag in if_none_match:
        return Response(status_code=304, headers=headers)
    data = await backend.store.get(rendition["key"])
    return Response(data, headers=headers, media_type=CONTENT_TYPES[rendition["format"]])


def _choose(row: Any, name: str, accept: str) -> dict[str, Any]:  # noqa: ANN401 - a row
    found = [r for r in row["renditions"] if name in (r["preset"], r["preset"] + SUFFIXES[r["format"]])]
    if not found:
        raise NotFound(f"Image {row['image_id']} is {row['state']} and has no rendition {name!r}.")
    return _negotiate(found, accept)


def _negotiate(renditions: Sequence[dict[str, Any]], accept: str) -> dict[str, Any]:
    """Take the first format that is accepted by name; a wildcard promises only what all can show."""
    accepted = {part.split(";")[0].strip() for part in accept.split(",") if not part.replace(" ", "").endswith(";q=0")}
    for rendition in renditions:
        if CONTENT_TYPES[rendition["format"]] in accepted:
            return rendition
    return min(renditions, key=lambda rendition: MOST_COMPATIBLE_FIRST.index(rendition["format"]))
