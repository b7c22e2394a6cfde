"""granian as `bin/serve` runs it: no request is lost when its workers, or it itself, are replaced.

Three things are added to it. The listening sockets are opened here, one a worker, or handed over by systemd: granian
lets each worker open its own, and whoever waits in it is cut off when that worker goes. A connection is only handed to
a worker once its request has arrived: a worker that stops closes those that have said nothing. And a worker that is to
be replaced is told so some seconds before, so that it lets its clients go with their next answer (rdv/health.py).

Not in a package of the application's: its workers load that anew (SIGHUP), and would find this copy of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from granian import Granian
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

LEAVE = signal.SIGUSR1  # to a worker: let your clients go
FIRST = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


class Server(Granian):
    def __init__(self, *args: Any, drain: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sockets: list[socket.socket] = []
        self._drain = drain
        self._workers_begun = 0
        self.on_reload(self._let_clients_go)

    def _init_shared_socket(self) -> None:
        self._sso = None
        if os.environ.get("LISTEN_PID") == str(os.getpid()):
            handed = range(FIRST, FIRST + int(os.environ["LISTEN_FDS"]))
            self._sockets = [socket.socket(fileno=number) for number in handed]
        else:
            balanced = hasattr(socket, "SO_REUSEPORT_LB") or os.uname().sysname == "Linux"
            self._sockets = [self._listen() for _ in range(self.workers if balanced else 1)]
        for listener in self._sockets:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET
        return socket.create_server(
            (self.bind_addr, self.bind_port), family=family, backlog=self.backlog, reuse_port=True
        )

    def _drop_shared_socket(self) -> None:
        for listener in self._sockets:
            listener.close()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Callable[[], Any]) -> Any:
        mine = self._sockets[idx % len(self._sockets)]
        self._shd = SocketHolder(mine.fileno(), False, self.backlog)
        first = self._workers_begun == 0
        self._workers_begun += 1
        return super()._spawn_worker(idx, target, partial(_begin, self._sockets, mine, first, callback_loader))

    def _let_clients_go(self) -> None:
        for worker in self.wrks:
            if worker.is_alive():
                os.kill(worker.inner.pid, LEAVE)

    def shutdown(self, exit_code: int = 0) -> None:
        if self._drain and self.interrupt_signal:
            self._let_clients_go()
            self.main_loop_interrupt.clear()
            self.main_loop_interrupt.wait(self._drain)  # a second signal ends it
        super().shutdown(exit_code)


def _begin(sockets: list[socket.socket], mine: socket.socket, first: bool, load: Callable[[], Any]) -> Any:
    """In a new worker: the application, which is told when to let its clients go; and no socket but its own. The first
    of all has loaded what `manage.py first_admin` would have to load anew.
    """
    for listener in sockets:
        if listener is not mine:
            listener.close()
    mine.detach()  # granian's now
    application = load()
    signal.signal(LEAVE, lambda *_: application.leave())
    if first:
        threading.Thread(target=_first_admin, name="first-admin", daemon=True).start()
    return application


def _first_admin() -> None:
    """Says how somebody gets to administer this server, and nothing where somebody does. One whose database is away
    serves all the same, and says so itself.
    """
    from django.core.management import CommandError, call_command
    from django.db import connections

    try:
        call_command("first_admin")
    except CommandError as error:
        print(error, file=sys.stderr)
    finally:
        sys.stdout.flush()
        connections.close_all()


def main() -> None:
    multiprocessing.set_start_method("fork")  # the sockets are inherited
    signal.signal(LEAVE, signal.SIG_IGN)  # and this too, until a worker has begun
    if not os.environ.get("RDV_METRICS_TOKEN"):
        serve()
        return
    with tempfile.TemporaryDirectory(prefix="rdv-measures-") as measures:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = measures  # of all workers together (rdv/api/measures.py)
        serve()


@contextmanager
def webhooks_worker() -> Iterator[Callable[[], None]]:
    """The worker that sends webhooks, beside the server and as long as it, begun anew where it ends too soon: where
    WEBHOOKS_WORKER is 1. What is given has it begin anew, with the code of now.
    """
    if os.environ.get("WEBHOOKS_WORKER", "0") != "1":
        yield lambda: None
        return
    over = threading.Event()
    manage = Path(__file__).resolve().parent.parent / "manage.py"
    command = [sys.executable, str(manage), "webhooks_worker", "--parent", str(os.getpid())]
    # Signals that are for the server alone are not for its group; one is told to end here. LISTEN_FDS is the server's.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")}

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=mine, start_new_session=True)  # noqa: S603 - our own command

    running = [begin()]

    def keep() -> None:
        while not over.is_set():
            running[0].wait()
            if not over.wait(1):
                running[0] = begin()
                if over.is_set():
                    running[0].terminate()

    keeper = threading.Thread(target=keep, name="webhooks-keeper", daemon=True)
    keeper.start()
    try:
        yield lambda: running[0].terminate()
    finally:
        over.set()
        running[0].terminate()
        keeper.join()
        running[0].wait()


def serve() -> None:
    running = server()
    with webhooks_worker() as renew:
        running.on_reload(renew)
        running.serve()


def server() -> Server:
    return Server(
        "rdv.wsgi:application",
        address=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=int(os.environ["WORKERS"]),
        blocking_threads=int(os.environ["THREADS"]),
        runtime_threads=1,
        backlog=1024,
        backpressure=512,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        respawn_failed_workers=True,
        # Longer than the headers may take: a connection that granian accepted in its last moment is not told to end.
        workers_kill_timeout=15,
        log_level=LogLevels(os.environ["SERVER_LOG_LEVEL"]),
        drain=float(os.environ["DRAIN"]),
    )


if __name__ == "__main__":
    main()
