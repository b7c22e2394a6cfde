"""Known holes in the parts: `python -m supply.holes requirements.txt ...` fails when there is one.

The databases of holes are on the network. What could not be looked up there is said, and is no failure: a closed
network must not stop a build, nor pass for a clean bill.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DATABASES = ("pypi", "osv")
PATIENCE = 300  # seconds for one database


class Found(NamedTuple):
    """What one or several databases say: (part, identifier of the hole, versions without it), and who is unknown."""

    holes: frozenset[tuple[str, str, str]]
    looked_at: frozenset[str]
    unknown: frozenset[str]


def read(report: str) -> Found:
    """What a report of pip-audit (JSON) says. A part that the database does not know was not looked at."""
    parts: list[dict[str, Any]] = json.loads(report)["dependencies"]
    return Found(
        holes=frozenset(
            (f"{part['name']} {part['version']}", hole["id"], ", ".join(hole["fix_versions"]) or "none yet")
            for part in parts
            for hole in part.get("vulns", ())
        ),
        looked_at=frozenset(part["name"] for part in parts if "skip_reason" not in part),
        unknown=frozenset(part["name"] for part in parts if "skip_reason" in part),
    )


def ask(database: str, requirements: Path) -> Found | None:
    """None when the database cannot be reached."""
    program = Path(sysconfig.get_path("scripts")) / "pip-audit"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [program, "--requirement", requirements, "--require-hashes", "--disable-pip"]
        command = [*command, "--vulnerability-service", database, "--timeout", "10", "--progress-spinner", "off"]
        try:
            done = subprocess.run(  # noqa: S603 - the names of our own files
                [*command, "--format", "json", "--output", report],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return None
        if report.exists():
            return read(report.read_text())
    if "Connection" in done.stderr or "Timeout" in done.stderr or "ServiceError" in done.stderr:
        return None
    raise SystemExit(f"pip-audit failed:\n{done.stderr}")


def look(requirements: Path, databases: Iterable[str] = DATABASES) -> Found:
    """What all the databases together say of the parts of a file."""
    answers = [answer for database in databases if (answer := ask(database, requirements))]
    looked_at = frozenset().union(*(answer.looked_at for answer in answers))
    return Found(
        holes=frozenset().union(*(answer.holes for answer in answers)),
        looked_at=looked_at,
        unknown=frozenset().union(*(answer.unknown for answer in answers)) - looked_at,
    )


def tell(requirements: Path, found: Found) -> str:
    lines = [f"HOLE in {part}: {hole}; mended in {mended}" for part, hole, mended in sorted(found.holes)]
    if not found.looked_at:
        lines.append(f"NOT LOOKED AT: {requirements}: no database of known holes answers from here.")
    else:
        lines.append(f"{requirements}: {len(found.holes)} known holes in {len(found.looked_at)} parts looked up.")
        if found.unknown:
            lines.append(f"NOT LOOKED AT, since no database knows them: {', '.join(sorted(found.unknown))}")
    return "\n".join(lines)


def main(files: Sequence[str]) -> int:
    holes = 0
    for name in files:
        found = look(Path(name))
        print(tell(Path(name), found))
        holes += len(found.holes)
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
