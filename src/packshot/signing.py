"""
Signatures as Standard Webhooks has them: HMAC-SHA256 of id, time and body, with a secret per webhook.

Pure, but for the chance in a new secret. Verifying is the receiver's work; docs/webhooks.md shows how.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from secrets import token_bytes
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32  # the standard takes 24 to 64


def new_secret() -> str:
    """Return a secret in the form in which receivers' libraries take it."""
    return PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def signed_headers(event_id: str, seconds: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """Return the headers for a message sent `seconds` after 1970, with one signature per secret."""
    signed = f"{event_id}.{seconds}.".encode() + body
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(_signature(signed, secret) for secret in secrets),
    }


def _signature(signed: bytes, secret: str) -> str:
    key = b64decode(secret.removeprefix(PREFIX))
    return f"v1,{b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
