"""`python -m rdv_cli`: the same as `rdv`."""

from __future__ import annotations

from .main import run

if __name__ == "__main__":
    run()
