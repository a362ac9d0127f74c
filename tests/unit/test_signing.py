"""Signatures, opened by the library that receivers use."""

from base64 import b64decode
from time import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from packshot.signing import new_secret, signed_headers

BODY = '{"type": "webhook.test", "data": {"name": "Zoë"}}'.encode()


def test_a_receivers_library_opens_what_is_signed() -> None:
    secret = new_secret()

    assert Webhook(secret).verify(BODY, signed_headers("msg", int(time()), BODY, [secret]))["data"]


def test_with_two_secrets_either_opens_it() -> None:
    old, new = new_secret(), new_secret()

    headers = signed_headers("msg", int(time()), BODY, [new, old])

    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers)


@pytest.mark.parametrize("part", ["webhook-id", "webhook-timestamp", "body"])
def test_whatever_is_changed_on_the_way_is_noticed(part: str) -> None:
    secret = new_secret()
    now = int(time())
    headers = signed_headers("msg", now, BODY, [secret])
    changed = {"webhook-id": "gsm", "webhook-timestamp": str(now - 1)}

    body = BODY + b" " if part == "body" else BODY

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(body, {**headers, part: changed.get(part, "")})


def test_each_secret_is_new_and_as_long_as_the_standard_asks_for() -> None:
    secrets = {new_secret() for _ in range(10)}

    assert len(secrets) == 10
    assert all(24 <= len(b64decode(secret.removeprefix("whsec_"))) <= 64 for secret in secrets)
