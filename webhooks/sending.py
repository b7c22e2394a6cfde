"""One request to a receiver, and what came of it: never an exception, never more than ten seconds, never a long answer.

httpcore, on which httpx stands: it follows no redirect, keeps no cookie and reads no proxy from the environment, and
lets the guard make its connections.
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
from rdv.api.turns import without_turn

from .guard import GuardedBackend, Refused, Target, target_of

PATIENCE = 10.0  # seconds for all of it: the name, the connection, the answer (contract 5.5)
LONGEST_ANSWER = 64 * 1024  # bytes that are read of an answer's body; the rest of it is nobody's business
KEPT_OF_ANSWER = 2048
IDLE = 15.0  # seconds for which a connection waits for the next delivery
IDLE_CONNECTIONS = 200


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
        # Two pools, so that the guard knows in which of the two ways it is asked to connect.
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,  # how many deliveries go on at once is the worker's to say
                max_keepalive_connections=IDLE_CONNECTIONS,
                keepalive_expiry=IDLE,
                network_backend=GuardedBackend(scheme),
            )
            for scheme in ("http", "https")
        }

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            await pool.aclose()

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
        request = self._pools[target.scheme].stream(
            "POST", url, headers=list(sent.items()), content=body, extensions={"timeout": timeout}
        )
        async with request as response:
            said, length = b"", 0
            async for part in response.aiter_stream():
                length += len(part)
                said += part[: KEPT_OF_ANSWER - len(said)]
                if length > LONGEST_ANSWER:  # leaving closes the connection
                    break
            named = dict(response.headers)
            later = next((value for name, value in named.items() if name.lower() == b"retry-after"), b"")
        return Outcome(
            response.status,
            "" if 200 <= response.status < 300 else ("redirect" if 300 <= response.status < 400 else "status"),
            # NUL is no character of PostgreSQL's texts.
            said.decode("utf-8", "replace").replace("\0", "\ufffd"),
            time.monotonic() - start,
            later.decode("latin-1")[:64],
        )


def _comes_of_tls(failure: BaseException | None) -> bool:
    while failure is not None and not isinstance(failure, ssl.SSLError):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def send_now(url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """The same from within a request, which gives its turn back while it waits for the receiver."""

    async def once() -> Outcome:
        async with Sender() as sender:
            return await sender.post(url, body, headers)

    with without_turn():
        return asyncio.run(once())
