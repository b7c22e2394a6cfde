"""The description of the API is the API: schemathesis asks the real server all that the description allows, and much
that it does not, with every check that it has and in every phase, links included; nothing undescribed comes back.

A bounded run of the same requests each time in the suite; in `make torture`, as many as an hour holds. There, and on
PostgreSQL always, each value of each parameter is varied in turn (the phase named coverage, three quarters of it all);
on SQLite the suite has the other phases. What schemathesis is told of this server is in `asking.py`, how it asks in
`schemathesis.toml`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import serving

from .conftest import LONG

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ON_POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
# At length all of them; else some on each database.
PHASES = ["Examples"]
if LONG or ON_POSTGRESQL:
    PHASES += ["Coverage"]
if LONG or not ON_POSTGRESQL:
    PHASES += ["Fuzzing", "Stateful"]


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo"), "demo") as server:
        yield server


@pytest.mark.live
def test_schemathesis_finds_nothing(demo_server, at_length, figure, tmp_path):
    told = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "st"), "--config-file", str(HERE / "schemathesis.toml"), "--no-color"),
            *("run", f"{demo_server.address}/api/v1/openapi.json", "--workers", "2"),
            *("--phases", ",".join(PHASES).lower()),
            *at_length(["--seed", "1", "--max-examples", "2"], ["--max-examples", "2000", "--max-time", "3600"]),
        ],
        cwd=tmp_path,
        env=demo_server.environment | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": str(HERE / "asking.py")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-5_000:]
    tested = re.search(r"Tested: (\d+)", told.stdout)
    cases = re.search(r"(\d+) generated", told.stdout)
    assert tested is not None
    assert cases is not None
    # None was left out by a filter, and each was asked many times.
    assert int(tested[1]) >= 34
    assert int(cases[1]) > (1000 if "Coverage" in PHASES else 200)
    for phase in PHASES:
        assert f"✅ {phase}" in told.stdout, told.stdout[-5_000:]
    figure("requests that schemathesis made", int(cases[1]))
