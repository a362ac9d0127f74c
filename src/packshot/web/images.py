"""The routes of images and the pictures themselves."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from packshot.database import Row
from packshot.errors import NotFound
from packshot.models import LARGEST_BIGINT
from packshot.presets import CONTENT_TYPES
from packshot.web.backend import Backend, InBackend
from packshot.web.choice import Rendition, choose, path_of, version_of
from packshot.web.guards import JsonRoute
from packshot.web.markup import alike, markup
from packshot.web.problems import refusals
from packshot.web.ranges import read_range
from packshot.web.views import ImageView, view_image

router = APIRouter(tags=["images"], route_class=JsonRoute)

ImageId = Annotated[int, Path(ge=1, le=LARGEST_BIGINT)]
PresetName = Annotated[
    str, Path(description="`large`, or `large.avif` and `large.jpg` for one format.", examples=["large"])
]

PICTURE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
# A name alone means another file once the picture is made anew. Then a page shows the old one for minutes.
FOR_MINUTES: Final = {"Cache-Control": "public, max-age=300"}
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
MARKUP_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A `<picture>`.", "content": {"text/html": {"schema": {"type": "string"}}}},
    **refusals(404, 422),
}
MOST_CHARACTERS: Final = 300  # of an attribute; in a URL each may take twelve


@router.get("/images/{image_id}", responses=refusals(404, 422))
async def read_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Read the state of one image."""
    return view_image(await backend.images.get(image_id), backend.store, backend.policy.pictures)


@router.post("/images/{image_id}/retry", status_code=202, responses=refusals(403, 404, 409, 422))
async def retry_image(image_id: ImageId, backend: InBackend) -> ImageView:
    """Give a failed image new attempts."""
    return view_image(await backend.producer.retry(image_id), backend.store, backend.policy.pictures)


# Before the pictures: no preset may be called so.
@router.head("/images/{image_id}/markup", include_in_schema=False)
@router.get("/images/{image_id}/markup", response_class=Response, responses=MARKUP_RESPONSES)
async def read_markup(
    image_id: ImageId,
    backend: InBackend,
    request: Request,
    sizes: Annotated[
        str, Query(max_length=MOST_CHARACTERS, description="How wide the page shows it.")
    ] = "100vw",
    alt: Annotated[
        str | None, Query(max_length=MOST_CHARACTERS, description="What it shows; else the product's name.")
    ] = None,
) -> HTMLResponse:
    """Write a `<picture>` to paste into a page: all sizes of the same shape, in all formats."""
    row = await backend.images.get(image_id)
    if not row["renditions"]:
        raise NotFound(f"Image {image_id} is {row['state']} and has no renditions to show.")
    name = await _name_of(row, backend) if alt is None else alt
    html = to_paste(row, backend, str(request.base_url), sizes=sizes, alt=name)
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


def to_paste(row: Row, backend: Backend, base_url: str, *, sizes: str, alt: str) -> str:
    """Write the HTML of an image's renditions for a page that may be anywhere."""
    base, pictures = base_url.rstrip("/"), backend.policy.pictures

    def url_of(one: Rendition) -> str:
        is_elsewhere = backend.public_url and not pictures.secret
        path = pictures.address(path_of(row["image_id"], one))
        return f"{backend.public_url}/{one['key']}" if is_elsewhere else base + path

    return markup(
        alike(row["renditions"], row["source_format"]),
        url_of,
        sizes,
        alt=alt,
        loading="lazy",
        decoding="async",
        **({"style": f"background-color:{row['facts']['colour']}"} if row["facts"] else {}),
    )


async def _name_of(row: Row, backend: Backend) -> str:
    if row["product_id"] is None:
        return ""
    return str((await backend.products.get(row["product_id"]))["product_name"])


@router.head("/images/{image_id}/{preset}", include_in_schema=False)
@router.get("/images/{image_id}/{preset}", response_class=Response, responses=PICTURE_RESPONSES)
async def read_picture(
    image_id: ImageId,
    preset: PresetName,
    backend: InBackend,
    request: Request,
    v: Annotated[
        str, Query(description="Eight digits of the recipe, as in `url`: then it may be kept.")
    ] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Serve a picture: `large` in the best format that `Accept` names, `large.avif` in this one."""
    row = await backend.images.get(image_id)
    rendition = choose(row["renditions"], preset, request.headers.get("accept", ""), v)
    if rendition is None:
        raise NotFound(f"Image {image_id} is {row['state']} and has no rendition {preset!r}.")
    etag = _etag(rendition, row["source_sha256"])
    vary = {} if "." in preset else {"Vary": "Accept"}
    life = FOR_EVER if v == version_of(rendition) else FOR_MINUTES
    pictures, query = backend.policy.pictures, request.scope["query_string"].decode()
    headers = {**PICTURE_HEADERS, **pictures.kept(life, query), "ETag": etag, **vary}
    if etag in if_none_match or if_none_match == "*":
        return Response(status_code=304, headers=headers)
    if url := await _url_elsewhere(rendition["key"], backend):
        return RedirectResponse(url, headers=pictures.kept(REDIRECT_HEADERS, query) | vary)
    data = await backend.store.get(rendition["key"])
    headers["Content-Type"] = CONTENT_TYPES[rendition["format"]]
    is_same = request.headers.get("if-range", etag) == etag
    return _serve(data, headers, request.headers.get("range", "") if is_same else "")


def _etag(rendition: Rendition, source_sha256: str) -> str:
    """Name these bytes. Two makings of one recipe have the same key, and maybe other bytes."""
    name = rendition["key"].rsplit("/", 1)[-1]
    return f'"{name}-{rendition["bytes"]}-{source_sha256[:16]}"'


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
