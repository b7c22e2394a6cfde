"""Answers in gzip for who accepts it (row P35), outside of the turn: others work meanwhile, zlib needs no Python.

Django's middleware would compress within the turn, at its costliest level, for `gzip;q=0` too, and weaken the strong
ETags that `If-Match` needs. Here a strong tag says that it is of the compressed bytes, `"…-gzip"` (RFC 9110 8.8.3.3);
a weak one is the same for both. In `If-None-Match` both are known, and in `If-Match` (conditional.py).

Only what is read is compressed: the answer to a change may hold a new secret. The length of a page, which holds a
form's token and what its reader typed, is blurred as Django's is (BREACH; Heal the BREACH, 2022); an answer of the API
needs no such thing: no browser adds a credential to a request that somebody else's page makes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.text import compress_string

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LEVEL = 3  # for a list of 100, 94 of 100 bytes less in a third of a millisecond; the next level takes twice as long
SHORT = 1400  # bytes: what fits into one packet gains nothing
LONGEST = 500  # characters of a header that are looked at, and kept with what it says
BLUR = 100  # bytes at most
SUFFIX = "-gzip"
TYPES = frozenset(
    ("application/json", "application/problem+json", "text/calendar", "text/html", "text/plain", "text/css")
)


class Gzip:
    """The application, compressed."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.application(environ, start_response)
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        if SUFFIX in known:
            environ["HTTP_IF_NONE_MATCH"] = known.replace(SUFFIX + '"', '"')
        started: list[Any] = []

        def start(*args: Any) -> Any:
            started.append(args)

        body = self.application(environ, start)
        [(status, given, *more)] = started
        headers = Headers(given)
        if status.startswith("304"):
            headers["Vary"] = varying(headers)
            if "ETag" in headers and (tag := with_suffix(headers["ETag"])) in known:
                headers["ETag"] = tag
        elif isinstance(body, list) and "Content-Encoding" not in headers and _type(headers) in TYPES:
            headers["Vary"] = varying(headers)
            text = b"".join(body)
            if len(text) >= SHORT and accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")[:LONGEST]):
                body = [compressed(text, blurred=_type(headers) == "text/html")]
                headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(body[0]))}
                if "ETag" in headers:
                    headers["ETag"] = with_suffix(headers["ETag"])
        start_response(status, headers.pairs(), *more)
        return body


class Headers(dict[str, str]):
    """Headers by their names, and those of one name that come several times, `Set-Cookie`."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        headers = list(headers)
        super().__init__(pair for pair in headers if pair[0] != "Set-Cookie")
        self._cookies = [pair for pair in headers if pair[0] == "Set-Cookie"]

    def pairs(self) -> list[tuple[str, str]]:
        return [*self.items(), *self._cookies]


def compressed(body: bytes, *, blurred: bool) -> bytes:
    return compress_string(body, max_random_bytes=BLUR) if blurred else gzip.compress(body, LEVEL, mtime=0)


def with_suffix(etag: str) -> str:
    """The tag of the same answer in gzip; a weak one, or none, as it is."""
    return f"{etag[:-1]}{SUFFIX}{etag[-1]}" if etag.startswith('"') else etag


def varying(headers: dict[str, str]) -> str:
    before = headers.get("Vary")
    return f"{before}, Accept-Encoding" if before else "Accept-Encoding"


def _type(headers: dict[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def accepts_gzip(header: str) -> bool:
    """Whether gzip may be sent, and is not wanted less than nothing at all (RFC 9110 12.5.3)."""
    qualities: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _semicolon, parameters = part.partition(";")
        name, _equals, value = parameters.strip().partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0  # what cannot be read is not asked for
        qualities.setdefault(coding.strip().removeprefix("x-"), quality)
    wanted = qualities.get("gzip", qualities.get("*", 0.0))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)
