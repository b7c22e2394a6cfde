"""The secret part of a credential: 128 random bits, kept only as a digest (contract 2.4, design decision 2)."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from hmac import compare_digest

# base64url of 16 bytes without padding: the form of `access-token` and of `client`.
_FORM = re.compile(r"[A-Za-z0-9_-]{22}")


def new_secret() -> str:
    """22 characters that nobody can guess."""
    return secrets.token_urlsafe(16)


def well_formed(text: object) -> bool:
    """Whether `text` can be a secret of ours: what is not costs no query."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def digest(secret: str) -> str:
    """SHA-256, in hexadecimal. A fast hash is enough: nobody can enumerate 128 random bits."""
    return sha256(secret.encode()).hexdigest()


def matches(secret: str, *digests: str | None) -> bool:
    """Whether `secret` is the one behind any of `digests`, in a time that does not tell which or how nearly."""
    given = digest(secret)
    return sum(compare_digest(given, known) for known in digests if known) > 0
