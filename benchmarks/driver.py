"""A small closed-loop load driver: N connections kept alive, each sending the next request as soon as it is answered.

    python -m benchmarks.driver 127.0.0.1 8000 --connections 8 --seconds 3 < requests.json

reads a JSON list of raw requests (latin-1 text), sends them in turn, and writes one JSON object: `requests`,
`seconds`, `p50`, `p99`, `max` (milliseconds), `statuses` (how many of each), `sample` (one body).
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any


class Connection:
    """One kept-alive HTTP/1.1 connection over a raw socket: the driver must cost little beside what it measures."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self.socket.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.socket.recv(262144)
            if not piece:
                raise ConnectionError("closed by the server")
            head += piece
        head, _blank, body = head.partition(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at >= 0:
            length = int(lower[at + 17 :].split(b"\r\n", 1)[0])
            pieces, have = [body], len(body)
            while have < length:
                piece = self.socket.recv(262144)
                if not piece:
                    raise ConnectionError("closed by the server")
                pieces.append(piece)
                have += len(piece)
            body = b"".join(pieces)
        elif b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += self.socket.recv(262144)
        if b"connection: close" in lower:
            self.socket.close()
            self.socket = self._connect()
        return status, body


def drive(host: str, port: int, requests: list[bytes], connections: int, seconds: float) -> dict[str, Any]:
    """Run the load and sum it up (see the top of this file)."""
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    sample: list[bytes] = []
    lock = threading.Lock()
    start = threading.Barrier(connections + 1)

    def work(offset: int) -> None:
        connection = Connection(host, port)
        mine: list[float] = []
        counted: Counter[int] = Counter()
        start.wait()
        end = time.perf_counter() + seconds
        number = offset
        body = b""
        while True:
            before = time.perf_counter()
            if before >= end:
                break
            status, body = connection.ask(requests[number % len(requests)])
            mine.append(time.perf_counter() - before)
            counted[status] += 1
            number += connections
        with lock:
            latencies.extend(mine)
            statuses.update(counted)
            sample.append(body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    latencies.sort()

    def percentile(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1000 if latencies else 0.0

    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50": percentile(0.5),
        "p99": percentile(0.99),
        "max": percentile(1),
        "statuses": {str(status): count for status, count in statuses.items()},
        "sample": sample[0].decode("latin-1") if sample else "",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    raw = [text.encode("latin-1") for text in json.load(sys.stdin)]
    json.dump(drive(options.host, options.port, raw, options.connections, options.seconds), sys.stdout)
