"""The program `rdv`, also as `python -m rdv_cli`."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Runs it, and exits with its code. Loading takes a moment, in which it may be interrupted already."""
    try:
        from .main import main

        sys.exit(main(sys.argv[1:], os.environ))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
