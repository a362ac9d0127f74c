"""What every page of the console passes: errors become pages, and other sites may only link to us."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from packshot.errors import PackshotError, RequestInFlight, ServiceUnavailable
from packshot.web.access import is_page
from packshot.web.console.forms import sent
from packshot.web.console.pages import show
from packshot.web.guards import OURSELVES
from packshot.web.problems import AWAY, STATUSES, note_outage, status_of

NO_SUCH_PAGE: Final = "There is no such page."
NO_SENSE: Final = "What this address asks for makes no sense. Look for it from the overview."
NO_BUGS: Final[tuple[type[Exception], ...]] = (RequestValidationError, HTTPException, *STATUSES)
AGAIN_SECONDS: Final = "5"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Page(APIRoute):
    """A route for people: what goes wrong is a page that says so, and a problem for our script.

    What can be read can be asked for its head alone.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*arguments, **options)
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                refuse_embedding(request)
                return await handle(request)
            except NO_BUGS as error:
                if not is_page(request.scope):
                    raise
                return await explain(request, error)

        return handle_page


async def explain(request: Request, error: Exception) -> Response:
    """Show what went wrong."""
    match error:
        case ServiceUnavailable():
            return await _away(request, error)
        case HTTPException():
            page = await _sorry(request, error.status_code, error.detail)
            page.headers.update(error.headers or {})
            return page
        case RequestInFlight():
            return await _sorry(request, status_of(error), str(error), await sent(request))
        case PackshotError():
            return await _sorry(request, status_of(error), str(error))
        case RequestValidationError() if error.errors()[0]["loc"][0] == "query":
            return await _sorry(request, HTTPStatus.UNPROCESSABLE_ENTITY, NO_SENSE)
    return await _sorry(request, HTTPStatus.NOT_FOUND, NO_SUCH_PAGE)


async def _away(request: Request, error: ServiceUnavailable) -> Response:
    """Show what was typed, to be sent again; where nothing was, the page looks again by itself."""
    note_outage(error)
    fields = await sent(request)
    page = await _sorry(request, HTTPStatus.SERVICE_UNAVAILABLE, AWAY, fields)
    page.headers["Retry-After"] = AGAIN_SECONDS
    if not fields:
        page.headers["Refresh"] = AGAIN_SECONDS
    return page


async def _sorry(
    request: Request, status: int, sentence: str, fields: dict[str, str] | None = None
) -> Response:
    title = HTTPStatus(status).phrase
    return await show(request, "sorry.html", status, title=title, sentence=sentence, fields=fields or {})


def refuse_embedding(request: Request) -> None:
    """Raise HTTPException if a page of another site uses ours as a part of it."""
    site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    # A browser that says the one says the other.
    if site not in (None, *OURSELVES) and mode not in (None, "navigate"):
        raise HTTPException(403, "Another site may link to the console, and no more.")
