"""What the machine says of itself and of its processes (Linux)."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")


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


def postgres_cpu_seconds() -> float:
    """CPU spent so far by the PostgreSQL that bin/with-postgres started; 0 for one that it did not."""
    postmaster = int(os.environ.get("POSTGRES_PID") or 0)
    return cpu_seconds(family(postmaster), postmaster) if postmaster else 0.0


def memory_mb(pid: int, measure: str = "Pss") -> float:
    """`Rss`, what a process holds, or `Pss`, what it adds to the machine's load: what is shared is divided."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{measure}:"):
            return int(line.split()[1]) / 1024
    return 0.0


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
