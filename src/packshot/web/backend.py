"""What the routes work with, handed over once by `app` and found again through the request."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from fastapi import Depends, Request

from packshot.database import Connection, Database
from packshot.first_answers import FirstAnswers
from packshot.images import Images
from packshot.keyring import Keyring
from packshot.metrics import Metrics
from packshot.news import News
from packshot.originals import Originals
from packshot.outbox import Outbox
from packshot.overview import Overview
from packshot.producer import Producer
from packshot.products import Products
from packshot.stores import Store
from packshot.telemetry import Span
from packshot.users import Users
from packshot.vitals import Vitals
from packshot.web.policy import Policy
from packshot.web.reader import ProductReader
from packshot.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Backend:
    """The rooms behind the API."""

    database: Database
    keyring: Keyring
    policy: Policy
    users: Users
    products: Products
    reader: ProductReader
    images: Images
    originals: Originals
    producer: Producer
    overview: Overview
    news: News
    webhooks: Webhooks
    outbox: Outbox
    store: Store
    public_url: str
    first_answers: FirstAnswers
    metrics: Metrics
    vitals: Vitals
    span: Span

    def within(self, connection: Connection) -> Self:
        """Return the same, whose producer works inside the transaction of `connection`."""
        return replace(self, producer=self.producer.within(connection))


async def _backend_of(request: Request) -> Backend:
    backend: Backend = getattr(request.state, "backend", request.app.state.backend)
    return backend


InBackend = Annotated[Backend, Depends(_backend_of)]
