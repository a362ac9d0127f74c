"""What every page of the console passes: errors become pages, and other sites may only link to us."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from packshot.errors import Conflict, InvalidInput, NotFound, PackshotError, ServiceUnavailable
from packshot.web.console.pages import show
from packshot.web.guards import OURSELVES

STATUSES: Final = {NotFound: 404, Conflict: 409, InvalidInput: 422, ServiceUnavailable: 503}
AWAY: Final = "The database or the store does not answer. Nothing is lost; this page tries again by itself."
NO_SUCH_PAGE: Final = "There is no such page."

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Page(APIRoute):
    """A route for people: what goes wrong is a page that says so."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                refuse_embedding(request)
                return await handle(request)
            except RequestValidationError:
                return await sorry(request, 404, NO_SUCH_PAGE)
            except HTTPException as error:
                return await sorry(request, error.status_code, str(error.detail))
            except (NotFound, Conflict, InvalidInput, ServiceUnavailable) as error:
                return await sorry(request, STATUSES[type(error)], _sentence(error))

        return handle_page


async def sorry(request: Request, status: int, sentence: str) -> Response:
    """Show what went wrong; a page that may come back looks again by itself."""
    title = HTTPStatus(status).phrase
    page = await show(request, "sorry.html", status, title=title, sentence=sentence)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        page.headers["Refresh"] = page.headers["Retry-After"] = "5"
    return page


def refuse_embedding(request: Request) -> None:
    """Raise HTTPException if a page of another site uses ours as a part of it."""
    site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    if site not in (None, *OURSELVES) and mode not in (
        None,
        "navigate",
    ):  # a browser that says the one says the other
        raise HTTPException(403, "Another site may link to the console, and no more.")


def _sentence(error: PackshotError) -> str:
    return AWAY if isinstance(error, ServiceUnavailable) else str(error)
