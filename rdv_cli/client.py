"""One request at a time: who one is, patience, and the second try of what may be tried again.

A second try is made when nothing was done (no connection; 429 and 503 that say so), when it does no harm (a read), or
when the server knows it for the same by its Idempotency-Key.
"""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from . import VERSION
from .config import TRIPLE, Configuration, loopback
from .document import SECRET
from .failures import SERVER, USAGE, Failure, Refused, code_of
from .words import language, say

TRIES = 5  # of one request
PATIENCE = 60.0  # seconds, that its tries may wait in all
# Answers that say that nothing was done, so that a write may be sent again without a key.
UNDONE = {"service_unavailable", "identity_provider_unavailable", "too_many_requests", "idempotency_in_progress"}
MASKED = {"authorization", "access-token", "client", "x-agent-auth-signature", "x-api-token", "x-api-key", "x-auth"}
SECRETS = {"set-cookie", "cookie", "location"} | MASKED


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    anonymous: bool = False
    keyed: bool = False  # the server knows Idempotency-Key here
    tries: int = TRIES
    redirects: bool = False  # a redirection is the answer, not a proxy's; none is ever followed

    @property
    def reads(self) -> bool:
        return self.method == "GET"


class Unreachable(Failure):
    """No answer. `why`: dns, refused, tls, timeout, lost, or network; `sent`: whether the request may have arrived."""

    def __init__(self, url: str, error: httpx.HTTPError) -> None:
        self.why, told = _why(error)
        self.sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        super().__init__(SERVER, say(f"{url} ne répond pas : {told}", f"{url} does not answer: {told}"))


class Client:
    """Speaks to the server of a configuration. `tell` is for people, `show` for those who ask what
    is exchanged; `renewed` is given the headers of a triple that
    the server has renewed.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        tell: Callable[[str], None],
        show: Callable[[str], None] = lambda line: None,
        renewed: Callable[[Mapping[str, str]], None] = lambda triple: None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if configuration.url is None:
            raise Failure(
                USAGE,
                say("L'adresse du serveur n'est dite nulle part.", "The server's address is said nowhere."),
                "  rdv sign-in --server https://rdv.agence.example",
                say("  ou la variable RDVCLI_SERVER, ou --server.", "  or the variable RDVCLI_SERVER, or --server."),
            )
        self.url = configuration.url
        self.credential = configuration.credential
        self.act_for = configuration.act_for
        self._tell, self._line, self._renewed, self._sleep = tell, show, renewed, sleep
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(configuration.timeout, connect=min(configuration.timeout, 10)),
            verify=_trust(configuration) if self.url.startswith("https:") else True,
            # This machine is never behind a proxy of itself.
            trust_env=not loopback(self.url),
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.send(Request("GET", path, **more))

    def send(self, request: Request) -> httpx.Response:
        """The answer that was hoped for; else Refused or Unreachable."""
        headers = self._headers(request)
        waited = 0.0
        for number in range(1, request.tries + 1):
            response, failure = self._once(request, headers)
            if response is not None and _answered(request, response):
                return response
            refusal: Failure = failure or Refused(response)  # type: ignore[arg-type]
            wait = self._pause(request, response, failure, number)
            if wait is None or number == request.tries or waited + wait > PATIENCE:
                if request.keyed and refusal.code == SERVER:
                    refusal.lines.append(_again(headers["Idempotency-Key"]))
                raise refusal
            what = str(failure) if response is None else f"{response.status_code} {code_of(response) or ''}".strip()
            self._tell(
                say(
                    f"{what} ; nouvel essai dans {wait:g} s ({number + 1}/{request.tries}).",
                    f"{what}; next try in {wait:g} s ({number + 1}/{request.tries}).",
                )
            )
            self._sleep(wait)
            waited += wait
        raise AssertionError("a request is tried once at least")

    def _once(
        self, request: Request, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, None] | tuple[None, Unreachable]:
        content = {} if request.body is None else {"json": request.body}
        built = self._http.build_request(
            request.method,
            self.url + request.path,
            params=list(request.query) or None,
            headers=dict(headers),
            **content,
        )
        query = urlencode([(name, "…" if SECRET.search(name) else value) for name, value in request.query])
        self._line(f"> {built.method} {self.url}{request.path}{'?' * bool(query)}{query}")
        self._show(">", built.headers)
        try:
            response = self._http.send(built)
        except httpx.HTTPError as error:
            return None, Unreachable(self.url, error)
        except httpx.InvalidURL as error:
            raise Failure(USAGE, f"{self.url}{request.path}: {error}") from None
        self._line(f"< {response.status_code} {response.reason_phrase}")
        self._show("<", response.headers)
        self._keep(request, response)
        return response, None

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "User-Agent": f"rdv-cli/{VERSION}",
            # Errors field by field (RFC 9457) from a server that has them; success is JSON.
            "Accept": "application/json, application/problem+json",
            "Accept-Language": language(),
        }
        if not request.reads:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if self.credential and not request.anonymous:
            headers |= self.credential.headers
            if self.act_for:
                headers["X-RDV-Act-For"] = self.act_for
        return headers | dict(request.headers)

    def _pause(
        self, request: Request, response: httpx.Response | None, failure: Unreachable | None, number: int
    ) -> float | None:
        """Seconds until the next try; None when there should be none."""
        step = min(0.5 * 2 ** (number - 1), 8.0)
        harmless = request.reads or request.keyed
        if failure is not None:
            if failure.why in ("dns", "tls"):
                return None
            return step if harmless or not failure.sent else None
        if response is None:
            return None
        code, status = code_of(response), response.status_code
        after = _seconds(response.headers.get("retry-after"))
        if status == 409:
            return after if after is not None and (code == "idempotency_in_progress" or request.keyed) else None
        if status == 429:
            return after
        if status in (502, 503, 504) and (harmless or code in UNDONE):
            return step if after is None else after
        return None

    def _keep(self, request: Request, response: httpx.Response) -> None:
        """A triple that the server renewed takes the place of the one before."""
        if not self.credential or not self.credential.is_triple or request.anonymous:
            return
        triple = {name: response.headers.get(name, "").strip() for name in TRIPLE}
        if all(triple.values()) and triple != dict(self.credential.headers):
            self.credential = type(self.credential)(triple, self.credential.origin, self.credential.kept)
            if self.credential.kept:
                self._renewed(triple | {"expiry": response.headers.get("expiry", "")})

    def _show(self, mark: str, headers: httpx.Headers) -> None:
        for name, value in headers.items():
            self._line(f"{mark} {name}: {'…' if name.lower() in SECRETS else value}")


def _answered(request: Request, response: httpx.Response) -> bool:
    return response.is_success or response.status_code == 304 or (request.redirects and response.is_redirect)


def _again(key: str) -> str:
    return say(
        f"  La même commande avec --idempotency-key {key} ne le fera pas deux fois.",
        f"  The same command with --idempotency-key {key} will not do it twice.",
    )


def _seconds(text: str | None) -> float | None:
    """Of `Retry-After`, in its form of seconds; that of a date is as good as nothing here."""
    return float(text) if text and text.isdecimal() and text.isascii() else None


def _trust(configuration: Configuration) -> ssl.SSLContext:
    """The authorities of the system, where an agency keeps its own, and those of httpx; or those of `ca`."""
    if configuration.ca:
        try:
            return ssl.create_default_context(cafile=configuration.ca)
        except OSError as problem:
            raise Failure(USAGE, f"ca = {configuration.ca}: {problem}") from None
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _why(error: httpx.HTTPError) -> tuple[str, str]:
    """What kept the answer away: a word, and a sentence."""
    if isinstance(error, httpx.TimeoutException):
        return "timeout", say("le délai est dépassé.", "the time is over.")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
            return "tls", say(
                f"son certificat ou TLS n'est pas valable ({reason}).",
                f"its certificate or TLS will not do ({reason}).",
            )
        if isinstance(cause, socket.gaierror):
            return "dns", say("ce nom n'existe pas (DNS).", "there is no such name (DNS).")
        if isinstance(cause, ConnectionRefusedError):
            return "refused", say(
                "connexion refusée ; rien n'écoute à ce port.", "connection refused; nothing listens at that port."
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "network", str(error)
    return "lost", say(f"la connexion s'est perdue ({error}).", f"the connection was lost ({error}).")
