"""The routes of users."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from packshot.web.backend import InBackend
from packshot.web.bodies import LARGEST_INT, NewUser
from packshot.web.guards import JsonRoute
from packshot.web.problems import BODY_REFUSALS, refusals
from packshot.web.views import LOCATION, UserView

router = APIRouter(prefix="/users", tags=["users"], route_class=JsonRoute)


@router.post("", status_code=201, responses={201: LOCATION, **BODY_REFUSALS})
async def create_user(body: NewUser, backend: InBackend, response: Response) -> UserView:
    """Create a user."""
    row = await backend.users.add(**body.model_dump())
    response.headers["Location"] = f"/users/{row['id']}"
    return UserView(**row)


@router.get("/{user_id}", responses=refusals(404, 422))
async def read_user(user_id: Annotated[int, Path(ge=1, le=LARGEST_INT)], backend: InBackend) -> UserView:
    """Read a user."""
    return UserView(**await backend.users.get(user_id))
