"""The keys of identity providers: asked for over the network, kept for a while, and waited for without a turn.

The standard library asks, through the machine's proxies and with the authorities that it trusts. The client that
comes with PyJWT follows redirections, reads without a limit, and asks while others wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import jwt
import orjson
from django.conf import settings

from rdv.api.errors import IdentityProviderUnavailable
from rdv.api.turns import without_turn

if TYPE_CHECKING:
    from rdv.settings import OidcIssuer

logger = logging.getLogger(__name__)

# In seconds.
FRESH = 600.0  # the age of keys that are used without a question
KEPT = 3600.0  # while their issuer does not answer, they are used up to this age
ASKED_AGAIN = 30.0  # at most once in so long for a key that is not among them
UNREACHABLE = 10.0  # how long it is remembered that an issuer did not answer
PATIENCE = 5.0  # of a request
LONGEST = 30.0  # of an answer, which is of use to the next request
STEP = 3.0  # between two of its bytes
LIMIT = 256 * 1024  # bytes of an answer


class NotToBeHad(Exception):
    """The issuer answered nothing that could be used."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """What was asked for at `at`: keys by name and algorithm."""

    at: float
    by_name: Mapping[tuple[str | None, str], jwt.PyJWK]

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that name; without a name, the only one."""
        if kid is not None:
            return self.by_name.get((kid, algorithm))
        only = [key for (_kid, suited), key in self.by_name.items() if suited == algorithm]
        return only[0] if len(only) == 1 else None


def configured(issuer: object) -> OidcIssuer | None:
    """The configuration of the issuer that a token names; None when it has none."""
    return next((one for one in settings.RDV_OIDC_ISSUERS if one.issuer == issuer), None)


class Issuer:
    """An issuer as this process knows it. One question at a time is under way, whoever waits for its answer."""

    _all: dict[OidcIssuer, Issuer] = {}

    def __init__(self, configuration: OidcIssuer) -> None:
        self._configuration = configuration
        self._lock = threading.Lock()
        self._keys: _Keys | None = None
        self._question: Future[_Keys] | None = None
        self._failed = float("-inf")  # when

    @classmethod
    def of(cls, configuration: OidcIssuer) -> Issuer:
        return cls._all.get(configuration) or cls._all.setdefault(configuration, cls(configuration))

    def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key to check a signature with; None when the issuer has none of that name. Raises
        IdentityProviderUnavailable.
        """
        keys = self._keys
        age = float("inf") if keys is None else time.monotonic() - keys.at
        known = keys.find(kid, algorithm) if keys else None
        if age < (FRESH if known else ASKED_AGAIN):
            return known
        try:
            return self._asked().find(kid, algorithm)
        except IdentityProviderUnavailable:
            if known and age < KEPT:
                return known
            raise

    def _asked(self) -> _Keys:
        """The keys of now."""
        with self._lock:
            left = self._failed + UNREACHABLE - time.monotonic()
            if left > 0:
                raise IdentityProviderUnavailable(left)
            if self._question is None:
                question: Future[_Keys] = Future()
                threading.Thread(target=self._ask, args=(question, time.monotonic()), daemon=True).start()
                self._question = question
            question = self._question
        try:
            with without_turn():
                return question.result(PATIENCE)
        except (StillWaiting, NotToBeHad):
            self._failed = time.monotonic()
        raise IdentityProviderUnavailable(UNREACHABLE)

    def _ask(self, question: Future[_Keys], at: float) -> None:
        """In a thread of its own: names are looked up, and slow answers read, for as long as they take."""
        keys = None
        try:
            keys = _Keys(at, _fetch(self._configuration))
        except (OSError, HTTPException, ValueError, OverflowError) as error:
            logger.warning("The keys of %s are not to be had: %s", self._configuration.issuer, error)
        finally:
            # Whatever happened, the next one may ask. That is so before those who wait hear the answer: who comes
            # after them is not to hear it too. From when a failure is remembered, they say more precisely.
            with self._lock:
                self._keys = keys or self._keys
                self._failed = float("-inf") if keys else max(self._failed, at)
                self._question = None
        if keys:
            question.set_result(keys)
        else:
            question.set_exception(NotToBeHad())


def _fetch(configuration: OidcIssuer) -> dict[tuple[str | None, str], jwt.PyJWK]:
    """The keys of now, by name and algorithm. Raises OSError, HTTPException or ValueError when there are none."""
    address = configuration.jwks_uri
    if not address:
        document = _get(configuration.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != configuration.issuer:
            raise ValueError("its discovery document is of another issuer")
        address = document.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address).scheme != urlsplit(configuration.issuer).scheme:
            raise ValueError("its discovery document says no address of keys that may be asked")
        if urlsplit(address).scheme == "http" and not _is_here(address):
            raise ValueError("its keys are on another machine, without TLS")
    document = _get(address)
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise ValueError("its keys are not a JSON Web Key Set")
    by_name = {}
    for one in keys:
        for algorithm in configuration.algorithms:
            key = _usable(one, algorithm)
            if key is not None:
                by_name[one.get("kid"), algorithm] = key
    return by_name


def _usable(jwk: Any, algorithm: str) -> jwt.PyJWK | None:
    """A key for that algorithm; None when it is for another, for something else, or no public key at all."""
    if not isinstance(jwk, dict) or "d" in jwk or jwk.get("use", "sig") != "sig":
        return None
    if jwk.get("alg", algorithm) != algorithm or not isinstance(jwk.get("kid"), str | None):
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm)
        key.Algorithm.prepare_key(key.key)  # of an elliptic curve, of the right one
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    return key


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """The address that was configured is the one that is believed."""


def _get(address: str) -> dict[str, Any]:
    """The JSON object at `address`. Raises OSError, HTTPException or ValueError."""
    proxies = [ProxyHandler({})] if _is_here(address) else []
    request = Request(address, headers={"Accept": "application/json", "User-Agent": "RDV"})  # noqa: S310 - checked
    end = time.monotonic() + LONGEST
    body = b""
    with build_opener(_NoRedirection, *proxies).open(request, timeout=STEP) as answer:
        while part := answer.read1(65536):
            body += part
            if len(body) > LIMIT:
                raise ValueError("its answer is too long")
            if time.monotonic() > end:
                raise ValueError("its answer takes too long")
    document = orjson.loads(body)
    if not isinstance(document, dict):
        raise ValueError("its answer is not a JSON object")
    return document


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
