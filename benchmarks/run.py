"""Us and our peers, on one machine, one database, one server program, in one run: `make bench`.

Each round asks every server for every operation in turn, so that the machine's drift cancels; the figures are medians
over the rounds. Peers: (a) stock Django REST framework with django-rest-knox; (b) FastAPI with asynchronous SQLAlchemy;
(c) the bare limit: no framework, one statement, tuples, orjson.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 8
GRANIAN = [
    "-m",
    "granian",
    "--http",
    "1",
    "--no-ws",
    "--host",
    "127.0.0.1",
    "--blocking-threads",
    "1",
    "--runtime-threads",
    "1",
    "--backlog",
    "1024",
    "--backpressure",
    "128",
    "--log-level",
    "error",
]
# name → (label, interface, application); ours is started by bin/serve, as in production.
SERVERS = {
    "ours": ("RDV", "wsgi", "rdv.wsgi:application"),
    "stock": ("(a) stock DRF + knox", "wsgi", "benchmarks.peers.stock.wsgi:application"),
    "fastapi": ("(b) FastAPI + SQLAlchemy", "asgi", "benchmarks.peers.fastapi_app:app"),
    "bare": ("(c) bare limit", "wsgi", "benchmarks.peers.bare:application"),
}


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        return family(self.process.pid)


@dataclass
class Operation:
    """What is asked: requests by server, since each has its own credentials."""

    name: str
    status: int
    requests: dict[str, list[str]]
    connections: int = CONNECTIONS
    results: dict[str, list[dict[str, float]]] = field(default_factory=dict)


def family(pid: int) -> list[int]:
    """`pid` and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found.extend(int(child) for child in children.split())
    return found


def cpu_seconds(pids: list[int], reaped_by: int | None = None) -> float:
    """CPU spent so far by these processes, and by the dead children of `reaped_by`."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
        if pid == reaped_by:
            total += int(fields[13]) + int(fields[14])
    return total / TICK


def memory_mb(pid: int) -> float:
    """Proportional set size: what a process adds to the machine's load."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def manage(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def serving(name: str, port: int, workers: int) -> Any:
    """The server of a peer, answering when the block begins."""
    _label, interface, application = SERVERS[name]
    environment = os.environ | {
        "PYTHON": sys.executable,
        "PORT": str(port),
        "WORKERS": str(workers),
        "RDV_SIGN_IN_LIMIT": "off",
        "RDV_LOG_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    if name == "ours":
        command = [str(ROOT / "bin" / "serve")]
    else:
        command = [sys.executable, *GRANIAN, "--interface", interface, "--workers", str(workers)]
        command += ["--port", str(port), application]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        for _try in range(300):
            try:
                urlopen(f"http://127.0.0.1:{port}/api/v1/absences", timeout=1)
            except OSError as error:
                if hasattr(error, "code"):  # it answered, with a refusal
                    break
                if process.poll() is not None:
                    raise SystemExit(f"{name} stopped: {process.returncode}") from None
                time.sleep(0.05)
        else:
            raise SystemExit(f"{name} does not answer.")
        yield Server(name, port, process)
    finally:
        process.terminate()
        process.wait(15)


def raw(method: str, path: str, port: int, headers: dict[str, str], body: str = "") -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{k}: {v}" for k, v in headers.items())]
    encoded = body.encode()
    if method in ("POST", "PATCH"):
        lines += ["Content-Type: application/json", f"Content-Length: {len(encoded)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + encoded.decode("latin-1")


def operations(world: dict[str, Any], knox: dict[str, str], ports: dict[str, int]) -> list[Operation]:
    """What is measured, on whom."""

    def triple(who: str) -> dict[str, str]:
        return {key: world[who][key] for key in ("uid", "client", "access-token")}

    def headers(server: str, who: str) -> dict[str, str]:
        return {"Authorization": f"Token {knox.get(who, '')}"} if server == "stock" else triple(who)

    def everywhere(make: Any, servers: tuple[str, ...] = tuple(SERVERS)) -> dict[str, list[str]]:
        return {server: make(server, ports[server]) for server in servers}

    def get(path: str, who: str = "admin") -> Any:
        return lambda server, port: [raw("GET", path, port, headers(server, who))]

    fields = {
        "agent_id": world["agent"],
        "title": "Banc d'essai",
        "first_day": "2020-05-04",
        "start_time": "09:00",
        "end_day": "2020-05-04",
        "end_time": "17:00",
    }
    new = json.dumps(fields)

    def shows(server: str, port: int) -> list[str]:
        return [raw("GET", f"/api/v1/absences/{pk}", port, headers(server, "admin")) for pk in world["absences"]]

    def updates(server: str, port: int) -> list[str]:
        return [
            raw(
                "PATCH",
                f"/api/v1/absences/{pk}",
                port,
                headers(server, "admin"),
                json.dumps({"title": f"Titre {turn}"}),
            )
            for turn in range(3)
            for pk in world["absences"]
        ]

    def wrong(server: str, port: int) -> list[str]:
        refused = {"access-token": "A" * 22}
        if server == "stock":
            refused = {"Authorization": f"Token {knox.get('admin', '')[:8]}{'0' * 56}"}
        return [raw("GET", "/api/v1/absences", port, headers(server, "admin") | refused)]

    def sign_in(server: str, port: int) -> list[str]:
        pair = {"email": world["everyone"]["uid"], "password": world["password"]}
        if server == "stock":
            basic = base64.b64encode(f"stock@exemple.test:{pair['password']}".encode()).decode()
            return [raw("POST", "/api/v1/auth/sign_in", port, {"Authorization": f"Basic {basic}"}, "{}")]
        return [raw("POST", "/api/v1/auth/sign_in", port, {}, json.dumps(pair))]

    filters = "/api/v1/absences?starts_after=2025-06-01&starts_before=2025-07-01&title=cong%C3%A9"
    pair = ("ours", "stock")
    return [
        Operation("list of 100", 200, everywhere(get("/api/v1/absences"))),
        Operation("show", 200, everywhere(shows)),
        Operation(
            "create", 200, everywhere(lambda s, p: [raw("POST", "/api/v1/absences", p, headers(s, "admin"), new)])
        ),
        Operation("update", 200, everywhere(updates)),
        Operation("401 refusal", 401, everywhere(wrong)),
        Operation("list, filtered", 200, everywhere(get(filters), pair)),
        Operation("list, ten mixed roles", 200, everywhere(get("/api/v1/absences", "mixed"), pair)),
        Operation("sign-in", 200, everywhere(sign_in, pair)),
    ]


def drive(server: Server, operation: Operation, seconds: float, postmaster: int | None) -> dict[str, Any]:
    """One turn of one server: throughput, latency and CPU."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.driver", "127.0.0.1", str(server.port)),
            *("--connections", str(operation.connections), "--seconds", str(seconds)),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pids = server.pids()
    database = family(postmaster) if postmaster else []
    before = cpu_seconds(pids), cpu_seconds(database, postmaster)
    output, _errors = process.communicate(json.dumps(operation.requests[server.name]).encode())
    database = family(postmaster) if postmaster else []
    after = cpu_seconds(pids), cpu_seconds(database, postmaster)
    result = json.loads(output)
    unexpected = {status: count for status, count in result["statuses"].items() if int(status) != operation.status}
    if unexpected or not result["requests"]:
        raise SystemExit(f"{server.name}, {operation.name}: answers {result['statuses']}: {result['sample'][:500]}")
    return {
        "rate": result["requests"] / result["seconds"],
        "p50": result["p50"],
        "p99": result["p99"],
        "server": (after[0] - before[0]) / result["requests"] * 1000,
        "database": (after[1] - before[1]) / result["requests"] * 1000,
    }


def fetch(request: str) -> bytes:
    """The body of one raw request's answer."""
    head, _blank, _body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    asked = Request(f"http://{headers['Host']}{first.split()[1]}", headers=headers)
    with urlopen(asked) as answer:
        return answer.read()


def compare(operation: Operation, ports: dict[str, int]) -> dict[str, bool]:
    """Whether each peer's answer is ours, byte for byte but for the port in its addresses."""
    bodies = {
        name: fetch(requests[0]).replace(f":{ports[name]}".encode(), b":PORT")
        for name, requests in operation.requests.items()
    }
    return {name: body == bodies["ours"] for name, body in bodies.items() if name != "ours"}


def median(results: list[dict[str, float]], what: str) -> float:
    return statistics.median(result[what] for result in results)


def table(measured: list[Operation]) -> list[str]:
    lines = [
        "| Operation | Server | requests/s | p50 ms | p99 ms | CPU-s per 1,000: server | database | × (a) req/s | × (c) CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for operation in measured:
        stock = operation.results.get("stock")
        bare = operation.results.get("bare")
        for name, results in operation.results.items():
            server, database = median(results, "server"), median(results, "database")
            ratio = f"{median(results, 'rate') / median(stock, 'rate'):.2f}" if stock else ""
            limit = f"{(server + database) / (median(bare, 'server') + median(bare, 'database')):.2f}" if bare else ""
            lines.append(
                f"| {operation.name} | {SERVERS[name][0]} | {median(results, 'rate'):.0f} | {median(results, 'p50'):.2f} | "
                f"{median(results, 'p99'):.2f} | {server:.2f} | {database:.2f} | {ratio} | {limit} |"
            )
    return lines


def plot(measured: list[Operation], path: Path) -> None:
    """Requests per second of each server, beside peer (a), one group an operation."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = [operation for operation in measured if "stock" in operation.results]
    figure, axes = pyplot.subplots(figsize=(11, 4.5))
    width = 0.8 / len(SERVERS)
    for place, (name, (label, *_rest)) in enumerate(SERVERS.items()):
        ratios = [
            median(one.results[name], "rate") / median(one.results["stock"], "rate") if name in one.results else 0
            for one in shown
        ]
        axes.bar([number + place * width for number in range(len(shown))], ratios, width, label=label)
    axes.set_xticks([number + 0.3 for number in range(len(shown))], [operation.name for operation in shown])
    axes.set_yscale("log")
    axes.set_ylabel("requests per second, peer (a) = 1")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def machine() -> str:
    model = "processor unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn")
    parser.add_argument("--absences", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--operations", default="", help="those whose name holds this")
    parser.add_argument("--write", help="write RESULTS.md and results.svg in this folder")
    options = parser.parse_args()
    names = options.servers.split(",")
    postmaster = int(os.environ["POSTGRES_PID"]) if "POSTGRES_PID" in os.environ else None

    manage("migrate", "--verbosity=0")
    manage("createcachetable")
    world = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.data", "--absences", str(options.absences)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    knox = {}
    if "stock" in names:
        stock = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.stock.settings"}
        manage("migrate", "knox", "--verbosity=0", **stock)
        script = (
            "import json; from agents.models import Agent; from knox.models import AuthToken; "
            "print(json.dumps({w: AuthToken.objects.create(Agent.objects.get(email=f'{w}@exemple.test'))[1] "
            "for w in ('admin', 'everyone', 'mixed')}))"
        )
        knox = json.loads(manage("shell", "--no-imports", "--command", script, **stock))

    ports = {name: 8700 + number for number, name in enumerate(SERVERS)}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(name, ports[name], options.workers)) for name in names}
        measured = [one for one in operations(world, knox, ports) if options.operations in one.name]
        for operation in measured:
            operation.requests = {name: asked for name, asked in operation.requests.items() if name in names}
        for operation in measured[:2]:
            if operation.name in ("list of 100", "show") and "ours" in names:
                print(f"{operation.name}: same bytes as ours: {compare(operation, ports)}", file=sys.stderr)
        for number in range(options.rounds + 1):  # the first warms up and is not counted
            for operation in measured:
                for name in operation.requests:
                    seconds = options.seconds if number else min(1.0, options.seconds)
                    result = drive(servers[name], operation, seconds, postmaster)
                    if number:
                        operation.results.setdefault(name, []).append(result)
            print(f"round {number} of {options.rounds}", file=sys.stderr)
        memory = {
            name: max(memory_mb(pid) for pid in server.pids()[1:] or server.pids()) for name, server in servers.items()
        }
    lines = [
        (
            f"{options.absences:,} absences, {options.workers} workers, {CONNECTIONS} connections; medians of "
            f"{options.rounds} rounds of {options.seconds:g} s. Commit {commit()}; {machine()}."
        ),
        "",
        *table(measured),
        "",
        "Memory of the largest worker: " + ", ".join(f"{SERVERS[n][0]} {mb:.0f} MB" for n, mb in memory.items()) + ".",
    ]
    print("\n".join(lines))
    if options.write:
        folder = Path(options.write)
        (folder / "RESULTS.md").write_text(
            "\n".join(["# Last results of `make bench`", "", *lines, "", "![](results.svg)", ""])
        )
        plot(measured, folder / "results.svg")


if __name__ == "__main__":
    main()
