"""
The console's own files: its look, its script, its icon.

One hash over all of them is a part of their address, so a browser keeps them for ever, and modules of the
script find each other by plain relative names.
"""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

from packshot.errors import NotFound

FOLDER: Final = Path(__file__).with_name("static")
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final = {file.name: file.read_bytes() for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES}
EDITION: Final = hashlib.sha256(b"\0".join(FILES.values())).hexdigest()[:12]
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{EDITION}"'}

router = APIRouter(include_in_schema=False)


def address(name: str) -> str:
    """Return where a file is served, as long as it is this one."""
    return f"/console/files/{EDITION}/{name}"


@router.get("/console/files/{edition}/{name}")
async def read_file(edition: str, name: str) -> Response:
    """Serve a file; that of another edition is another file."""
    if edition != EDITION or name not in FILES:
        raise NotFound("There is no such file in this edition of the console; load the page again.")
    return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=FOR_EVER)
