"""One request to a receiver, and what came of it: never an exception, never more than ten seconds, never a long answer.

httpcore, on which httpx stands: it follows no redirect, keeps no cookie and reads no proxy from the environment, and
lets the guard make its connections. Its connections, not its pool, which looks at each of them at each request: with
hundreds that costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import httpcore

from rdv import VERSION

from .guard import GuardedBackend, Refused, Target, target_of

PATIENCE = 10.0  # seconds for all of it: the name, the connection, the answer (contract 5.5)
LONGEST_ANSWER = 64 * 1024  # bytes that are read of an answer's body; the rest of it is nobody's business
KEPT_OF_ANSWER = 2048
IDLE = 15.0  # seconds for which a connection waits for the next delivery


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. `status`: of the answer, None when there was none; `error`: a code that says why it
    failed, "" when it did not; `answer`: the first part of the answer's body.
    """

    status: int | None
    error: str
    answer: str
    seconds: float
    retry_after: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.error


class Sender:
    """Connections to receivers, kept for the next delivery. Of one event loop, within `async with`."""

    def __init__(self, tls: ssl.SSLContext | None = None, patience: float = PATIENCE) -> None:
        tls = tls or ssl.create_default_context()
        self._patience = patience
        self._tls = tls
        self._backends = {scheme: GuardedBackend(scheme) for scheme in ("http", "https")}
        # Connections that wait for the next request, by where they lead, the last one used last.
        self._idle: dict[str, list[httpcore.AsyncHTTPConnection]] = {}
        self._swept = time.monotonic()

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """The outcome of a POST of JSON; a failure of any kind is one."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                return await self._post(target_of(url), body, headers, start)
        except Refused as refused:
            error = refused.code
        except (TimeoutError, httpcore.TimeoutException):
            error = "timeout"
        except (httpcore.ConnectError, ssl.SSLError) as failure:
            error = "tls" if _comes_of_tls(failure) else "connection"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            error = "protocol"
        return Outcome(None, error, "", time.monotonic() - start)

    async def _post(self, target: Target, body: bytes, headers: Mapping[str, str], start: float) -> Outcome:
        sent = {
            "Host": target.authority,
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": f"RDV/{VERSION} (webhooks)",
            **headers,
        }
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._patience)
        request = httpcore.Request(
            "POST", url, headers=list(sent.items()), content=body, extensions={"timeout": timeout}
        )
        connection = await self._connection(str(url.origin), url.origin)
        try:
            response = await connection.handle_async_request(request)
            said, length = b"", 0
            async for part in response.aiter_stream():
                length += len(part)
                said += part[: KEPT_OF_ANSWER - len(said)]
                if length > LONGEST_ANSWER:
                    break
            await response.aclose()
        except BaseException:
            await connection.aclose()
            raise
        if connection.is_idle():
            self._idle.setdefault(str(url.origin), []).append(connection)
        else:
            await connection.aclose()
        later = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
        return Outcome(
            response.status,
            "" if 200 <= response.status < 300 else ("redirect" if 300 <= response.status < 400 else "status"),
            # NUL is no character of PostgreSQL's texts.
            said.decode("utf-8", "replace").replace("\0", "\ufffd"),
            time.monotonic() - start,
            later.decode("latin-1")[:64],
        )

    async def _connection(self, where: str, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """One that waits, if it still does; or else a new one, not connected yet."""
        if time.monotonic() - self._swept > IDLE:
            await self._sweep()
        waiting = self._idle.get(where, [])
        while waiting:
            connection = waiting.pop()
            if connection.is_available() and not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin,
            ssl_context=self._tls,
            keepalive_expiry=IDLE,
            network_backend=self._backends[origin.scheme.decode()],
        )

    async def _sweep(self) -> None:
        self._swept = time.monotonic()
        for where, connections in list(self._idle.items()):
            over = [connection for connection in connections if connection.has_expired()]
            connections[:] = [connection for connection in connections if connection not in over]
            if not connections:
                del self._idle[where]
            for connection in over:
                await connection.aclose()


def _comes_of_tls(failure: BaseException | None) -> bool:
    while failure is not None and not isinstance(failure, ssl.SSLError):
        failure = failure.__cause__ or failure.__context__
    return failure is not None
