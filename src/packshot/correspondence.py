"""What the commands about webhooks do: open the rooms, act, print, and say with the exit code how it went."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from packshot.app import open_app, open_courier
from packshot.database import Row
from packshot.errors import ConfigError, InvalidInput
from packshot.existing import open_existing
from packshot.settings import Settings
from packshot.terminal import print_json, print_table, screen
from packshot.web.webhooks import WebhookView, WebhookWithSecret, view_delivery
from packshot.webhooks import EVENTS

LIST: Final = ("id", "url", "events", "is")
LOG: Final = ("delivery", "webhook", "type", "of", "state", "attempt", "since", "last answer", "took")


async def add(settings: Settings, url: str, events: str, *, as_json: bool) -> None:
    """Register a webhook; raise ConfigError that names what is wrong."""
    wanted = [event.strip() for event in events.split(",") if event.strip()] or EVENTS
    if unknown := [event for event in wanted if event not in EVENTS]:
        raise ConfigError(f"There is no event {unknown[0]!r}; there are {', '.join(EVENTS)}.")
    async with open_app(settings) as app:
        try:
            row = await app.webhooks.add(url, wanted)
        except InvalidInput as error:
            raise ConfigError(str(error)) from error
    _show_secret(row, as_json=as_json)


async def list_all(settings: Settings, *, as_json: bool) -> None:
    """Print all webhooks."""
    async with open_existing(settings) as app:
        views = [WebhookView(**row) for row in await app.webhooks.all()]
    if as_json:
        print_json([view.model_dump() for view in views])
    else:
        print_table(
            LIST, ((view.webhook_id, view.url, ", ".join(view.events), _health(view)) for view in views)
        )


async def remove(settings: Settings, webhook_id: int) -> None:
    """Delete a webhook; raise NotFound."""
    async with open_existing(settings) as app:
        await app.webhooks.remove(webhook_id)
    screen.print(f"Webhook {webhook_id} is removed.")


async def enable(settings: Settings, webhook_id: int) -> None:
    """Enable a webhook; raise NotFound."""
    async with open_existing(settings) as app:
        await app.webhooks.change(webhook_id, {"enabled": True})
    screen.print(f"Webhook {webhook_id} is enabled; what waited for it is sent.")


async def rotate(settings: Settings, webhook_id: int, *, as_json: bool) -> None:
    """Give a webhook a new secret; raise NotFound."""
    async with open_existing(settings) as app:
        _show_secret(await app.webhooks.rotate(webhook_id), as_json=as_json)


async def show_log(
    settings: Settings, webhook_id: int | None, *, failed: bool, limit: int, as_json: bool
) -> None:
    """Print deliveries, newest first; raise NotFound."""
    async with open_existing(settings) as app:
        if webhook_id:
            await app.webhooks.get(webhook_id)
        rows = await app.outbox.log(webhook_id, "failed" if failed else None, limit=limit)
    if as_json:
        print_json([view_delivery(row).model_dump() for row in rows])
    else:
        print_table(LOG, map(_line, rows))


async def replay(
    settings: Settings,
    delivery_ids: Sequence[int],
    since: datetime | None,
    webhook_id: int | None,
    *,
    as_json: bool,
) -> None:
    """Send deliveries once more; raise NotFound."""
    if not (delivery_ids or since):
        raise ConfigError("Name the deliveries to replay, or use --since 2026-11-22.")
    async with open_existing(settings) as app:
        for delivery_id in delivery_ids:
            await app.outbox.replay(delivery_id)
        count = len(delivery_ids)
        if since:
            count += await app.outbox.replay_failed(since.replace(tzinfo=UTC), webhook_id)
    if as_json:
        print_json({"replayed": count})
    else:
        screen.print(f"{count} messages are sent once more.")


async def try_out(settings: Settings, webhook_id: int, *, as_json: bool) -> int:
    """Try a webhook out. The exit code is 1 if its receiver does not take the message."""
    async with open_existing(settings) as app, open_courier(app) as courier:
        webhook = await app.webhooks.get(webhook_id)
        receipt = await courier.test(webhook)
    if as_json:
        print_json(asdict(receipt))
    else:
        what = receipt.error or f"The answer is {receipt.status}: it arrived."
        screen.print(f"{what} ({receipt.milliseconds} ms)", markup=False)
    return int(receipt.error is not None)


def _show_secret(row: Row, *, as_json: bool) -> None:
    view = WebhookWithSecret(**row)
    if as_json:
        print_json(view.model_dump())
        return
    screen.print(f"Webhook {view.webhook_id} sends to {view.url}.", markup=False, soft_wrap=True)
    screen.print(f"Its secret, shown this once: {view.secret}", markup=False, soft_wrap=True)


def _health(view: WebhookView) -> str:
    if view.disabled_at:
        return f"disabled: {view.disabled_reason}"
    return f"failing since {view.failing_since:%Y-%m-%d %H:%M}" if view.failing_since else "well"


def _line(row: Row) -> tuple[object, ...]:
    view = view_delivery(row)
    subject = f"image {view.image_id}" if view.image_id else f"product {view.product_id}"
    answer = view.last_error or (f"{view.last_status}" if view.last_status else "")
    took = f"{view.last_milliseconds} ms" if view.last_milliseconds is not None else ""
    since = f"{view.created_at:%m-%d %H:%M:%S}"
    return (
        view.delivery_id, view.webhook_id, view.type, subject, view.state, view.attempt, since, answer, took
    )  # fmt: skip
