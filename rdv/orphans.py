"""A worker whose master was killed ends too: it would go on serving at the same address, beside those of the next
master and with the code of the last one, and nobody could tell it to stop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

LOOK = 0.5  # seconds
GRACE = 10  # seconds to finish what was begun, as bin/serve gives a worker that is told to stop


def end_with_the_master() -> None:
    """Keep an eye on the master from now on; where there is none, as in a test, do nothing."""
    master = multiprocessing.parent_process()
    if master is not None:
        threading.Thread(target=_watch, args=(master.pid,), name="orphan", daemon=True).start()


def _watch(master: int | None) -> None:
    # The master's end of a pipe would tell at once; but workers forked later hold it open too.
    while os.getppid() == master:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
