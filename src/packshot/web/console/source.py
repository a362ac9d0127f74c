"""The source of an image as it is now, for the eye: to be laid over what was made of it."""

from typing import Final

from fastapi import APIRouter, HTTPException, Response

from packshot.errors import ImageError, NotFound
from packshot.web.backend import InBackend
from packshot.web.console.doors import Page
from packshot.web.images import PICTURE_HEADERS, ImageId

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)

CHANGED: Final = "The supplier has another file there now than the one that these pictures were made of."
FOR_MINUTES: Final = {"Cache-Control": "private, max-age=300", "Cross-Origin-Resource-Policy": "same-origin"}


@router.get("/images/{image_id}/source")
async def read_source(image_id: ImageId, backend: InBackend) -> Response:
    """Fetch the source anew and show it in the shape of the main rendition."""
    row = await backend.images.get(image_id)
    if not row["renditions"]:
        raise NotFound(f"Image {image_id} is {row['state']}: there is nothing to compare its source with.")
    try:
        original = await backend.originals.show(row["source_url"], row["renditions"][0]["preset"])
    except ImageError as error:
        raise HTTPException(502, str(error)) from error
    note = {"X-Packshot-Note": CHANGED} if original.sha256 != row["source_sha256"] else {}
    headers = {**PICTURE_HEADERS, **FOR_MINUTES, **note}
    return Response(original.png, media_type="image/png", headers=headers)
