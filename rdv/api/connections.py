"""Connections that hang are let go: a body that does not come, an answer that is not taken.

The server program gives a client 10 seconds for the headers (bin/serve), and as long as it likes for the rest; its
connections are counted, so that those who dawdle would keep everybody else out. Linux knows of each connection when
something was last sent on it, and an answer is never long in coming: what has been silent for so long waits for a
client that is not worth it.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

PATIENCE = timedelta(seconds=20)  # for the longest body: 420 kbit/s; what waits for a hash has that time too
ROUNDS = 2.0  # seconds between two
_LAST_DATA_SENT = struct.Struct("44x I")  # of `struct tcp_info`, milliseconds ago


def last(start_response: StartResponse) -> StartResponse:
    """Its connection ends with this answer, and says so (RFC 9112 9.6): the next request in it would get none."""

    def start(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *args)

    return start


def watch() -> threading.Thread | None:
    """A thread that lets go of this process's hanging connections, for ever; none where the system cannot tell."""
    if not (hasattr(socket, "TCP_INFO") and os.path.isdir("/proc/self/fd")):
        return None
    patience = PATIENCE + settings.RDV_SIGN_IN_PATIENCE

    def rounds() -> None:
        between = threading.Event()
        while not between.wait(ROUNDS):
            let_go(patience)

    thread = threading.Thread(target=rounds, name="connections", daemon=True)
    thread.start()
    return thread


def let_go(patience: timedelta) -> int:
    """Ends the connections to this process on which nothing was sent for `patience`; returns how many."""
    with ExitStack() as ours:
        sockets = [ours.enter_context(one) for one in _sockets()]
        doors = {_port(one) for one in sockets if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)}
        hanging = [one for one in sockets if _came_in(one, doors) and _silent_for(one) > patience]
        for one in hanging:
            with suppress(OSError):  # the client was quicker
                one.shutdown(socket.SHUT_RDWR)
        return len(hanging)


def _sockets() -> Iterator[socket.socket]:
    """This process's TCP sockets, each by a descriptor of our own: theirs may close, and mean another, at any time.

    Of nothing else a descriptor is made and closed: of the file of an SQLite database, it would take along the locks
    that all others of this process have on it (fcntl(2)), and the database would soon be malformed.
    """
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed since it was listed
            if not _is_socket(int(name)):
                continue
            own = os.dup(int(name))
            if not _is_socket(own):  # a file, opened at that very moment: better open for ever than closed
                continue
            one = socket.socket(fileno=own)
            if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
                yield one
            else:
                one.close()


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


def _came_in(one: socket.socket, doors: set[int]) -> bool:
    """Whether it came in by one of `doors`, unlike a connection that we made, to the database say."""
    try:
        one.getpeername()
    except OSError:  # it listens, or is gone
        return False
    return _port(one) in doors


def _silent_for(one: socket.socket) -> timedelta:
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.size)
    return timedelta(milliseconds=_LAST_DATA_SENT.unpack(info)[0])


def _port(one: socket.socket) -> int:
    return int(one.getsockname()[1])
