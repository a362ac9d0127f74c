"""Writes the OpenAPI document and the Postman collection into `docs/`."""

import json
from pathlib import Path
from typing import Any, Final, cast

from api_docs.postman import collection
from packshot.web.api import create_api
from packshot.web.backend import Backend

DOCS: Final = Path(__file__).parents[1] / "docs"


def documents() -> dict[Path, str]:
    """Return the text of each file."""
    openapi = create_api(cast("Backend", None)).openapi()  # nobody is asked anything
    return {
        DOCS / "openapi.json": _text(openapi),
        DOCS / "packshot.postman_collection.json": _text(collection(openapi)),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, "utf-8")
