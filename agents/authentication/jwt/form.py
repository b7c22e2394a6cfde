"""What a JSON Web Token says, before and after it is believed."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from typing import Any

import jwt
import orjson

from agents.models import Refused
from rdv.api.errors import Unauthenticated

# What tokens that let somebody in say they are (RFC 7519 5.1, RFC 9068 2.1). Others of the same issuer tell that
# somebody signed out (`logout+jwt`), or who holds which key.
TYPES = (None, "JWT", "AT+JWT", "APPLICATION/AT+JWT")
REQUIRED = ("exp", "iat", "aud", "iss", "sub")


def read(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not to be believed yet. Raises Unauthenticated for what cannot be a token to come in with."""
    try:
        header, claims, _signature = text.split(".")
        documents = _object(header), _object(claims)
    except (ValueError, binascii.Error):
        raise Unauthenticated(Refused.UNKNOWN) from None
    kind = documents[0].get("typ")
    # `crit`: what must be understood, of which we understand nothing (RFC 7515 4.1.11).
    if "crit" in documents[0] or (kind.upper() if isinstance(kind, str) else kind) not in TYPES:
        raise Unauthenticated(Refused.UNKNOWN)
    return documents


def verified(text: str, key: Any, algorithms: list[str], required: tuple[str, ...] = (), **expected: Any) -> Any:
    """The claims, found good: signature, instants, audience, issuer. Raises Unauthenticated with the reason."""
    options: Any = {"require": [*REQUIRED, *required], "enforce_minimum_key_length": True}
    try:
        return jwt.decode(text, key, algorithms, options, **expected)
    except jwt.ExpiredSignatureError:
        raise Unauthenticated(Refused.EXPIRED) from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        # Anybody may write anything in it.
        raise Unauthenticated(Refused.UNKNOWN) from None


def _object(segment: str) -> dict[str, Any]:
    document = orjson.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    if not isinstance(document, dict):
        raise ValueError
    return document
