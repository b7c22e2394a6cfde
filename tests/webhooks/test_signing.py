"""Both signatures, as the contract's vector and the public library know them (I1, I2, I8)."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from webhooks.signing import lapin_signature, signed

pytestmark = pytest.mark.no_database

BODY = (
    b'{"data":{"id":31},"meta":{"model":"Absence","event":"destroyed","webhook_reason":null,'
    b'"timestamp":"2025-06-02 09:15:00 +0200"}}'
)
OLD, NEW = "secret-de-webhook", "whsec_" + base64.b64encode(b"une cle de vingt-quatre.").decode()


def test_the_contracts_vector() -> None:
    assert lapin_signature(OLD, BODY) == "8f9b6f4265489ac5209cdc7b1de114790ddf5f45210b2148cba8196e39b148a3"


@pytest.mark.parametrize(
    ("secret", "known"),
    [
        (NEW, NEW),  # as it is shown
        (OLD, OLD.encode()),  # a secret of one's own is its bytes …
        (OLD, base64.b64encode(OLD.encode()).decode()),  # … or their base64, for libraries that take no bytes
        ("clé à moi", "clé à moi".encode()),
        ("whsec_ceci n'est pas du base64", b"whsec_ceci n'est pas du base64"),
    ],
)
def test_the_public_library_believes_it(secret: str, known: str | bytes) -> None:
    headers = signed([secret], "msg_1", int(time.time()), BODY)
    assert Webhook(known).verify(BODY, headers)["data"] == {"id": 31}


def test_a_body_that_was_touched_is_not_believed() -> None:
    headers = signed([OLD], "msg_1", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD.encode()).verify(BODY.replace(b"31", b"32"), headers)


def test_an_attempt_of_yesterday_is_not_believed() -> None:
    headers = signed([OLD], "msg_1", int(time.time()) - 86400, BODY)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(OLD.encode()).verify(BODY, headers)


def test_while_a_secret_is_replaced_both_verify() -> None:
    headers = signed([NEW, OLD], "msg_1", int(time.time()), BODY)
    for known in (NEW, OLD.encode()):
        assert Webhook(known).verify(BODY, headers)
    assert headers["X-Lapin-Signature"] == lapin_signature(NEW, BODY)


def test_afterwards_the_old_one_does_not() -> None:
    headers = signed([NEW], "msg_1", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD.encode()).verify(BODY, headers)
