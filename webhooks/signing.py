"""How a receiver knows that a delivery is ours, and as it left us: two signatures of the exact bytes of its body.

`X-Lapin-Signature` is the original's (contract 5.5): lower-case hex HMAC-SHA256, the key being the secret as it is
written. `webhook-id`, `-timestamp` and `-signature` are those of Standard Webhooks 1.0, which every library of it
verifies: the key is what `whsec_` is followed by, read as base64; a secret of another form is its own bytes.

While a secret is replaced, both count: `webhook-signature` holds one of each, the new one first. `X-Lapin-Signature`
holds one alone, so it is by the *new* secret: who reads it changes theirs when they change it here, or verifies the
other header meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key of Standard Webhooks."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True) or secret.encode()
        except binascii.Error:
            pass
    return secret.encode()


def lapin_signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    signed = hmac.new(key_of(secret), f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def signed(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt. `secrets`: the one that counts, and then those that still do; `timestamp`: of this
    attempt, in seconds; `id`: of the event at this endpoint, the same at each attempt.
    """
    return {
        "X-Lapin-Signature": lapin_signature(secrets[0], body),
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(standard_signature(secret, id, timestamp, body) for secret in secrets),
    }
