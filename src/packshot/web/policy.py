"""What this process asks of those who call: where they come from, how often, and to see a picture."""

from dataclasses import dataclass, field
from typing import Self

from packshot.addresses import is_loopback
from packshot.settings import Settings
from packshot.web.pictures import Pictures
from packshot.web.rates import Rates


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that settings make."""

    listens_elsewhere: bool  # not only on this machine
    rate_limit: int  # of a key that has no number of its own, in requests per minute; 0 is none
    pictures: Pictures
    rates: Rates = field(default_factory=lambda: Rates("key"))
    refusals: Rates = field(default_factory=lambda: Rates("refused"))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the rules."""
        secret = settings.signing_secret if settings.pictures == "signed" else ""
        return cls(
            listens_elsewhere=not is_loopback(settings.host),
            rate_limit=settings.rate_limit,
            pictures=Pictures(secret, settings.signature_seconds),
        )
