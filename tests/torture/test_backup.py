"""A copy taken while everybody writes, restored elsewhere, holds what was acknowledged before it began, and serves.

The commands are those of docs/backup.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT, Server, fresh_database

from .writers import GONE, ORGANISATIONS, SETUP, Database, Writer, by_label, writing

pytestmark = pytest.mark.live

ON_POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
KIND = "postgresql" if ON_POSTGRESQL else "sqlite"
WRITERS = 4
FILLING = """
import datetime
from absences.models import Absence
from agents.models import Agent
agents = list(Agent.objects.all())
day, time = datetime.date(2026, 12, 1), datetime.time
for start in range(0, %d, 5_000):
    Absence.objects.bulk_create(
        Absence(agent=agents[n %% len(agents)], title="Ancienne", first_day=day, end_day=day, start_time=time(8),
                end_time=time(18))
        for n in range(start, start + 5_000)
    )
"""


def commands(purpose: str) -> str:
    """What docs/backup.md says to type for it."""
    page = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
    found = re.findall(rf"<!-- run: {purpose} {KIND} -->\n```sh\n(.*?)```", page, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def type_in(lines: str, folder: Path, server: Server) -> None:
    """Run `lines` as somebody would who sits in the folder of an installation."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", lines],
        cwd=folder,
        env=server.environment | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Any:
    """Makes installations, each in a folder with a database of its own."""
    with ExitStack() as stack:

        def one(name: str) -> tuple[Path, Server]:
            folder = tmp_path / name
            (folder / "var").mkdir(parents=True)
            (folder / "manage.py").write_text(
                f"import os, runpy, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
                f"runpy.run_path({str(ROOT / 'manage.py')!r}, run_name='__main__')\n"
            )
            server = Server(folder, stack.enter_context(fresh_database(folder / "var")))
            stack.callback(server.stop)
            return folder, server

        yield one


@pytest.mark.skipif(ON_POSTGRESQL and not shutil.which("pg_dump"), reason="needs pg_dump")
def test_a_copy_taken_under_load_restores_whole(
    installed: Any, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    filling = at_length(5_000, 200_000)
    folder, server = installed("here")
    server.start()
    server.manage("shell", "--verbosity", "0", "-c", SETUP % WRITERS + FILLING % filling)
    writers = [Writer(server, number, "backup") for number in range(WRITERS)]
    for writer in writers:
        writer.sign_in()
    with writing(writers):
        began = time.monotonic()
        for writer in writers:
            writer.wait_for_an_acknowledged(began + 1, 30)  # all have written for a second
        before = {
            label: (entry.acknowledged, entry.asked)
            for writer in writers
            for label, entry in list(writer.journal.items())
        }
        copying = time.monotonic()
        type_in(commands("backup"), folder, server)
        took = time.monotonic() - copying
        for writer in writers:
            writer.wait_for_an_acknowledged(time.monotonic(), 30)
    assert not any(writer.wrong for writer in writers), [writer.wrong for writer in writers]
    server.stop()

    there, restored = installed("there")
    copy = next(folder.glob("rdv.*"))
    shutil.copy(copy, there)
    type_in(commands("restore"), there, restored)
    database = Database(restored.environment["DATABASE_URL"])
    database.check()
    assert database.ask("SELECT count(*) FROM absences_absence WHERE title = 'Ancienne'") == [(filling,)]
    rows = by_label(database.absences())
    during = 0
    for writer in writers:
        for label, entry in writer.journal.items():
            revision = rows[label].version if label in rows else GONE
            acknowledged, asked = before.get(label, (GONE, 1))
            if acknowledged == GONE and asked is None:
                assert revision == GONE, f"{label} was deleted before the copy began"
            elif revision == GONE:
                assert acknowledged == GONE or GONE in entry.possible, f"{label} is lost"
            else:
                assert acknowledged <= revision <= entry.latest, f"{label} is {revision}, was {acknowledged}, {entry}"
            during += entry.possible != {revision}
    _it_serves(restored, writers, database)
    figure("absences", filling + len(rows))
    figure("copy (s)", round(took, 1))
    figure("copy (MB)", round(copy.stat().st_size / 1e6, 1))
    figure("writes acknowledged before it", sum(max(known, 0) for known, _asked in before.values()))
    figure("absences written after it began", during)
    assert during, "nobody wrote meanwhile"


def _it_serves(restored: Server, writers: list[Writer], database: Database) -> None:
    """With the tokens of before: lists that are true, and writes."""
    restored.start()
    everyone = database.ask("SELECT id, email FROM agents_agent")
    for writer in writers:
        writer.server = restored
    for writer in writers[:ORGANISATIONS]:
        place = int(writer.name[1:]) % ORGANISATIONS
        own = [pk for pk, email in everyone if int(email.partition("@")[0][1:]) % ORGANISATIONS == place]
        among = ", ".join(map(str, own))
        ((visible,),) = database.ask(f"SELECT count(*) FROM absences_absence WHERE agent_id IN ({among})")
        assert writer.total(pages=3)[0] == visible
    again = Writer(restored, 0, "again")
    again.sign_in()
    with writing([again]):
        again.wait_for_an_acknowledged(time.monotonic(), 30)
    database.check()
