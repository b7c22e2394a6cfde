"""How the list's cost grows with what is visible and with the live tokens: `make bench-growth`.

A fresh database for each number of absences, all of them visible to the caller; the server of `make serve`, one
connection, so that what is measured is an answer and not a queue.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import uuid
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from rdv.api.pagination import write_cursor

from .run import ROOT, Operation, commit, drive, fetch, machine, manage, raw, serving


def measure(absences: int, tokens: int, pages: list[int], seconds: float) -> dict[str, dict[str, Any]]:
    """p50 and CPU of each page, on a database of its own that is dropped at the end."""
    given = os.environ["DATABASE_URL"]
    name = f"growth_{uuid.uuid4().hex}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        os.environ["DATABASE_URL"] = urlsplit(given)._replace(path=f"/{name}").geturl()
        try:
            manage("migrate", "--verbosity=0")
            manage("createcachetable")
            command = [sys.executable, "-m", "benchmarks.data", "--absences", str(absences), "--tokens", str(tokens)]
            world = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
            triple = {key: world["everyone"][key] for key in ("uid", "client", "access-token")}
            results = {}
            with serving("ours", 8790, 1) as server:
                addresses = {f"page {page:,}": f"/api/v1/absences?page={page}" for page in pages}
                if pages[-1] > 1:
                    # A walk by cursor, as deep as the last page.
                    row = json.loads(fetch(raw("GET", list(addresses.values())[-1], 8790, triple)))["absences"][-1]
                    place = write_cursor([row["first_day"], row["start_time"], row["id"]])
                    addresses[f"cursor after page {pages[-1]:,}"] = f"/api/v1/absences?cursor={place}"
                for page, address in addresses.items():
                    request = raw("GET", address, 8790, triple)
                    operation = Operation(page, 200, {"ours": [request]}, connections=1)
                    drive(server, operation, 1, int(os.environ["POSTGRES_PID"]))
                    results[page] = drive(server, operation, seconds, int(os.environ["POSTGRES_PID"]))
            return results
        finally:
            os.environ["DATABASE_URL"] = given
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--tokens", default="10,10000")
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    print(f"PostgreSQL, one connection, one worker. Commit {commit()}; {machine()}.\n")
    print("| Visible absences | Live tokens | Page | p50 ms | p99 ms | CPU-s per 1,000: server | database |")
    print("|---|---|---|---|---|---|---|")
    plans = [(int(size), 0) for size in options.sizes.split(",")]
    plans += [(10_000, int(tokens)) for tokens in options.tokens.split(",")]
    for absences, tokens in plans:
        pages = [page for page in (1, 10, 100, 1000) if (page - 1) * 100 < absences] if not tokens else [1]
        for page, result in measure(absences, tokens, pages, options.seconds).items():
            figures = [f"{result[name]:.2f}" for name in ("p50", "p99", "server", "database")]
            print(f"| {absences:,} | {tokens:,} | {page} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
