"""The routes of webhooks and of the log of what was delivered."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from packshot.database import Row
from packshot.models import LARGEST_BIGINT
from packshot.web.backend import InBackend
from packshot.web.bodies import LARGEST_INT, UNCHANGED, Shape, Url
from packshot.web.guards import JsonRoute
from packshot.web.problems import BODY_REFUSALS, refusals
from packshot.web.views import LOCATION
from packshot.webhooks import EVENTS

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=JsonRoute)

WebhookId = Annotated[int, Path(ge=1, le=LARGEST_INT)]
DeliveryId = Annotated[int, Path(ge=1, le=LARGEST_BIGINT)]
Event = Literal["image.ready", "image.failed", "product.completed"]
Events = Annotated[list[Event], Field(min_length=1, max_length=len(EVENTS))]
DeliveryState = Literal["pending", "delivered", "failed"]


class NewWebhook(Shape):
    """Where messages go, and of what; without `events` of everything."""

    url: Url = Field(examples=["https://shop.example.com/packshot"])
    events: Events = Field(list(EVENTS), examples=[["product.completed"]])


class WebhookChanges(Shape):
    """The fields to change, the others stay. Enabled once more, what waited is sent."""

    url: Url = UNCHANGED
    events: Events = UNCHANGED
    enabled: Annotated[bool, Field(strict=True)] = UNCHANGED


class WebhookView(BaseModel):
    """A webhook. `failing_since`: nothing has got through since then."""

    webhook_id: int
    url: str
    events: list[str]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class WebhookWithSecret(WebhookView):
    """A new webhook with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookList(BaseModel):
    """All webhooks, oldest first."""

    webhooks: list[WebhookView]


class DeliveryView(BaseModel):
    """One event on its way to one webhook; `last_…` is what came of the last attempt.

    `event_id` is what the receiver sees as `webhook-id`. `due_at`: the next attempt, null if there is none.
    """

    delivery_id: int
    webhook_id: int
    event_id: str
    type: str
    product_id: int | None
    image_id: int | None
    state: DeliveryState
    attempt: int
    due_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_milliseconds: int | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryPage(BaseModel):
    """Deliveries, newest first. Ask again with `cursor=next_cursor`; null means that was the last page."""

    deliveries: list[DeliveryView]
    next_cursor: str | None


def view_delivery(row: Row) -> DeliveryView:
    """Shape a delivery's row."""
    return DeliveryView(
        **{
            **row,
            "event_id": str(row["event_id"]),
            "product_id": row["data"].get("product_id"),
            "image_id": row["data"].get("image_id"),
            "due_at": row["due_at"] if row["state"] == "pending" else None,
        }
    )


@router.post("", status_code=201, responses={201: LOCATION, **BODY_REFUSALS})
async def create_webhook(body: NewWebhook, backend: InBackend, response: Response) -> WebhookWithSecret:
    """Register a webhook. The answer has the secret that its messages are signed with, this once."""
    row = await backend.webhooks.add(body.url, body.events)
    response.headers["Location"] = f"/webhooks/{row['webhook_id']}"
    return WebhookWithSecret(**row)


@router.get("")
async def list_webhooks(backend: InBackend) -> WebhookList:
    """List all webhooks."""
    return WebhookList(webhooks=[WebhookView(**row) for row in await backend.webhooks.all()])


@router.get("/{webhook_id}", responses=refusals(404, 422))
async def read_webhook(webhook_id: WebhookId, backend: InBackend) -> WebhookView:
    """Read a webhook, without its secret."""
    return WebhookView(**await backend.webhooks.get(webhook_id))


@router.patch("/{webhook_id}", responses={**BODY_REFUSALS, **refusals(404)})
async def change_webhook(webhook_id: WebhookId, body: WebhookChanges, backend: InBackend) -> WebhookView:
    """Change a webhook's URL or events, disable or enable it."""
    return WebhookView(**await backend.webhooks.change(webhook_id, body.model_dump(exclude_unset=True)))


@router.delete("/{webhook_id}", status_code=204, responses=refusals(403, 404, 422))
async def delete_webhook(webhook_id: WebhookId, backend: InBackend) -> None:
    """Delete a webhook and its log."""
    await backend.webhooks.remove(webhook_id)


@router.get("/{webhook_id}/deliveries", responses=refusals(404, 422))
async def list_deliveries(
    webhook_id: WebhookId,
    backend: InBackend,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Deliveries on a page.")] = 20,
    cursor: Annotated[
        int | None, Query(ge=1, le=LARGEST_BIGINT, description="`next_cursor` of the page before.")
    ] = None,
) -> DeliveryPage:
    """List what was sent to a webhook in the last seven days, or waits to be sent, newest first."""
    await backend.webhooks.get(webhook_id)
    rows = await backend.outbox.log(webhook_id, state, cursor, limit + 1)
    page = [view_delivery(row) for row in rows[:limit]]
    return DeliveryPage(deliveries=page, next_cursor=str(page[-1].delivery_id) if len(rows) > limit else None)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, responses=refusals(403, 404, 422)
)
async def replay_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, backend: InBackend) -> DeliveryView:
    """Send a delivery once more, with the same `webhook-id`."""
    return view_delivery(await backend.outbox.replay(delivery_id, webhook_id))
