"""What `make serve` says to whoever has just started a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_welcome_names_the_command_line_and_runs_nothing():
    environment = {"PATH": "/usr/bin:/bin", "PORT": "8123"}
    done = subprocess.run(
        [str(ROOT / "bin" / "welcome")], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert ".venv/bin/rdv sign-in --server 'http://127.0.0.1:8123'" in done.stdout
