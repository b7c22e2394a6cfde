"""The keys that our JSON Web Tokens are signed with (row T9).

A row alone signs nothing: its private half is encrypted with a key made of `RDV_SECRET_KEY`. Its name is sealed with
another one: a name of somebody else's making is known as such without a look, and so is a row.
"""

from __future__ import annotations

import datetime
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from jwt.algorithms import ECAlgorithm

from .recorded import BOOKKEEPING, Recorded

ALGORITHM = "ES256"
# How long a process takes the keys that it has read for all that there are.
FRESH = 60.0  # seconds
AGAIN = 2.0  # seconds, for a key that it does not know
# After it is retired, a key still signs where that was not read yet, on a clock that is not ours.
SLACK = datetime.timedelta(minutes=5)
_LOCK = 7_364_004  # beside those of `rights`
_HALF = 22  # characters of a name: 132 bits of the key's thumbprint, as many of the seal


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def published(self) -> SigningKeyQuerySet:
        """Those that a token which is still good may be signed with, the one that signs last."""
        since = timezone.now() - settings.RDV_JWT_LIFETIME - SLACK
        return self.filter(Q(retired_at=None) | Q(retired_at__gt=since)).order_by("created_at", "pk")


class SigningKey(Recorded):
    """A key pair. `public`: as a JSON Web Key; `private`: encrypted, gone when the key is retired."""

    recorded_as = "signing_key"
    not_recorded = BOOKKEEPING | {"public", "private"}

    kid = models.CharField(max_length=2 * _HALF, unique=True)
    public = models.JSONField()
    private = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("clé de signature")
        verbose_name_plural = _("clés de signature")

    def __str__(self) -> str:
        return self.kid

    @classmethod
    def make(cls) -> SigningKey:
        """A saved key of a new pair."""
        private = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        kept = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        start = _thumbprint(public)[:_HALF]
        return cls.objects.create(kid=start + _seal(start), public=public, private=_safe().encrypt(kept).decode())

    @property
    def genuine(self) -> bool:
        """Whether it was made here, with the `RDV_SECRET_KEY` of now."""
        return is_sealed(self.kid) and _thumbprint(self.public)[:_HALF] == self.kid[:_HALF]

    def open(self) -> ec.EllipticCurvePrivateKey | None:
        """The private half; None when it is gone, or `RDV_SECRET_KEY` does not open it."""
        try:
            kept = _safe().decrypt(self.private)
        except InvalidToken:
            return None
        private = serialization.load_der_private_key(kept, password=None)
        return private if isinstance(private, ec.EllipticCurvePrivateKey) else None

    def jwk(self) -> dict[str, Any]:
        """The public half, as others are told of it."""
        return {**self.public, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}


def is_sealed(kid: object) -> bool:
    """Whether `kid` can be the name of a key of ours: any other costs no query."""
    if not isinstance(kid, str) or len(kid) != 2 * _HALF or not kid.isascii():
        return False
    return hmac.compare_digest(_seal(kid[:_HALF]), kid[_HALF:])


@dataclass(frozen=True, slots=True)
class _Keys:
    """What was read at `at`: the public halves by name, and the name and private half of the one that signs."""

    at: float
    public: Mapping[str, ec.EllipticCurvePublicKey]
    signing: tuple[str, ec.EllipticCurvePrivateKey] | None


class Keyring:
    """The keys, kept in this process, so that a token costs no query for them."""

    def __init__(self) -> None:
        self._keys: _Keys | None = None

    def public(self, kid: object) -> ec.EllipticCurvePublicKey | None:
        """The key that a token says it is signed with; None when it is not ours, or no longer."""
        if not is_sealed(kid):
            return None
        keys = self._keys
        age = float("inf") if keys is None else time.monotonic() - keys.at
        if keys is None or age >= FRESH or (kid not in keys.public and age >= AGAIN):
            keys = self._keys = _read()
        return keys.public.get(str(kid))

    def signing(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """The name and the private half of the key to sign with. The first is made here, once on all machines."""
        keys = self._keys
        if keys is None or keys.signing is None or time.monotonic() - keys.at >= FRESH:
            keys = _read()
        if keys.signing is None:
            with transaction.atomic():
                _one_at_a_time()
                keys = _read()
                if keys.signing is None:
                    SigningKey.make()
                    keys = _read()
        self._keys = keys  # now that it is committed
        if keys.signing is None:
            raise AssertionError("a key that was just made opens")
        return keys.signing

    def forget(self) -> None:
        """As a process that has just begun."""
        self._keys = None


keyring = Keyring()


def rotate() -> tuple[SigningKey, int, int]:
    """A new key signs from now on. Gives it, how many were retired for it, and how many, retired long ago, are gone."""
    with transaction.atomic():
        _one_at_a_time()
        former = list(SigningKey.objects.filter(retired_at=None).values_list("pk", flat=True))
        key = SigningKey.make()
        # The private half of a retired key is of no use but to a thief.
        SigningKey.objects.filter(pk__in=former).update(retired_at=timezone.now(), private="")
        published = SigningKey.objects.published().values_list("pk", flat=True)
        gone, _details = SigningKey.objects.exclude(pk__in=list(published)).delete()
    return key, len(former), gone


def published_jwks() -> dict[str, Any]:
    """The JSON Web Key Set (RFC 7517 5) by which anybody can check our tokens."""
    return {"keys": [key.jwk() for key in SigningKey.objects.published() if key.genuine]}


def _read() -> _Keys:
    at = time.monotonic()
    rows = [row for row in SigningKey.objects.published() if row.genuine]
    signing = None
    for row in rows:
        private = row.open() if row.retired_at is None else None
        signing = (row.kid, private) if private else signing
    return _Keys(at, {row.kid: ECAlgorithm.from_jwk(row.public) for row in rows}, signing)  # type: ignore[misc]


def _one_at_a_time() -> None:
    """On SQLite writing transactions are one after the other anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _thumbprint(public: Any) -> str:
    """RFC 7638."""
    public = public if isinstance(public, dict) else {}
    required = {name: public.get(name) for name in ("crv", "kty", "x", "y")}
    return _text(sha256(json.dumps(required, separators=(",", ":")).encode()).digest())


def _seal(start: str) -> str:
    return _text(hmac.digest(_derived("names of signing keys", settings.SECRET_KEY), start.encode(), "sha256"))[:_HALF]


def _safe() -> Fernet:
    return Fernet(urlsafe_b64encode(_derived("signing keys", settings.SECRET_KEY)))


@lru_cache(maxsize=8)
def _derived(purpose: str, secret: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"rdv {purpose}".encode()).derive(secret.encode())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
