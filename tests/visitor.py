"""Somebody at the console without a script: sees a page, fills in its form, is led on."""

import re
from html import unescape
from typing import Final

from httpx import AsyncClient, Response

BROWSER: Final = {"accept": "text/html"}
TOKEN: Final = re.compile(r'name="token" value="([0-9a-f]{64})"')
KEPT: Final = re.compile(r'name="(once|seen_[a-z_]+)" value="([^"]*)"')


async def look(api: AsyncClient, path: str, status: int = 200) -> str:
    """Load a page and return its text, as it is shown but for the elements."""
    page = await api.get(path, headers=BROWSER)
    assert page.status_code == status, page.text
    assert page.headers["content-type"].startswith("text/html")
    return unescape(page.text)


async def fill_in(api: AsyncClient, page: str, action: str, **fields: object) -> Response:
    """Send a form of a page with these fields; the answer leads on, or shows what is wrong."""
    return await send(api, action, **{**await hidden_in(api, page), **fields})


async def hidden_in(api: AsyncClient, page: str) -> dict[str, str]:
    """Load a page and return what its forms send besides what people fill in."""
    shown = (await api.get(page, headers=BROWSER)).text
    return {"token": token_in(shown), **{name: unescape(value) for name, value in KEPT.findall(shown)}}


async def send(api: AsyncClient, action: str, **fields: object) -> Response:
    """Send a form as a browser does."""
    return await api.post(action, data=fields, headers=BROWSER)


def token_in(shown: str) -> str:
    """The token that the forms of a page carry."""
    form = TOKEN.search(shown)
    assert form, "there is no form"
    return form[1]
