"""The shapes of access keys, and their routes, which are for admins."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from packshot.keys import Scope
from packshot.web.backend import InBackend
from packshot.web.bodies import LARGEST_INT, Shape, Storable
from packshot.web.guards import JsonRoute
from packshot.web.problems import BODY_REFUSALS, refusals

router = APIRouter(prefix="/keys", tags=["keys"], route_class=JsonRoute)

TEN_YEARS: Final = 10 * 366 * 86_400  # in seconds
KeyId = Annotated[int, Path(ge=1, le=LARGEST_INT)]


class NewKey(Shape):
    """Who will use a key, and what for."""

    name: Annotated[str, Field(min_length=1, max_length=200), Storable] = Field(examples=["Shop"])
    scope: Scope = Field(description="write includes read; admin includes all.", examples=["write"])
    expires_in_seconds: Annotated[int, Field(ge=1, le=TEN_YEARS, strict=True)] | None = Field(
        None, description="Without it the key works until it is revoked.", examples=[7_776_000]
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=LARGEST_INT, strict=True)] | None = Field(
        None, description="Without it PACKSHOT_RATE_LIMIT counts.", examples=[600]
    )


class KeyView(BaseModel):
    """An access key, without what could be used. `last_used_at` may be a minute old."""

    key_id: int
    name: str
    prefix: str
    scope: Scope
    state: Literal["active", "expired", "revoked"]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class FreshKey(KeyView):
    """A new access key. `key` is shown this once, and kept nowhere."""

    key: str


class KeyList(BaseModel):
    """Access keys, oldest first."""

    keys: list[KeyView]


@router.get("")
async def list_keys(backend: InBackend) -> KeyList:
    """List all access keys, also those that do not work any more."""
    return KeyList(keys=[KeyView(**row) for row in await backend.keyring.keys.all()])


@router.post("", status_code=201, responses=BODY_REFUSALS)
async def create_key(body: NewKey, backend: InBackend, response: Response) -> FreshKey:
    """Make an access key. The answer is the only place where it can be read."""
    secret, row = await backend.keyring.keys.create(**body.model_dump())
    response.headers["Cache-Control"] = "no-store"
    return FreshKey(**row, key=secret)


@router.delete("/{key_id}", status_code=204, responses=refusals(403, 404, 422))
async def revoke_key(key_id: KeyId, backend: InBackend) -> None:
    """End an access key. It stops working within a second, and stays in the list."""
    await backend.keyring.keys.revoke(str(key_id))
