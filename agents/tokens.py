"""The secret part of a credential: 128 random bits or more, kept only as a digest (contract 2.4, design decision 2)."""

from __future__ import annotations

import re
import secrets
import string
import zlib
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


# Keys: of an agent, who are signed for by it without their password; of an API account, which is no person. What they
# begin with tells which, to people and to the scanners that look for lost secrets; the last characters are a checksum,
# so that a key that was mistyped or cut is known without a look.
PERSONAL = "rdv_pat_"
ACCOUNT = "rdv_api_"

_DIGITS = string.digits + string.ascii_letters
_RANDOM, _CHECK = 30, 6  # characters; 178 random bits, and the 32 of a CRC
_KEY = re.compile(rf"(?:{PERSONAL}|{ACCOUNT})[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
SHOWN = len(PERSONAL) + 4  # of a key, what a list shows to tell it from others


def new_key(prefix: str) -> str:
    """A key that nobody can guess: `prefix`, 30 random letters and digits, 6 of their checksum."""
    body = prefix + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_key(text: str) -> bool:
    """Whether `text` can be a key of ours. One wrong character, whichever it is, is always found."""
    return _KEY.fullmatch(text) is not None and _checksum(text[:-_CHECK]) == text[-_CHECK:]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _place in range(_CHECK):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
