"""Real programs follow a feed: vdirsyncer brings it, khal reads it, and both end with what the API says (C1 to C6)."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.server import Server, serving

pytestmark = [pytest.mark.live, pytest.mark.any_database]

PROGRAMS = Path(sys.executable).parent
MARTINE, PASSWORD = "martine@agence.test", "Rendez-vous 2026 !"
DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
territory = Territory.objects.create(name="Paris", departement_number="75")
island = Territory.objects.create(name="La Réunion", departement_number="974", time_zone="Indian/Reunion")
mds = Organisation.objects.create(name="MDS", territory=territory)
port = Organisation.objects.create(name="Le Port", territory=island)
martine = Agent.objects.create_user("{MARTINE}", "{PASSWORD}", first_name="Martine", last_name="VALIDAY")
paul = Agent.objects.create_user("paul@agence.test", "{PASSWORD}", first_name="Paul", last_name="HOARAU")
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
AgentRole.objects.create(agent=martine, organisation=port, access_level="admin")
AgentRole.objects.create(agent=paul, organisation=port)
"""
TODAY = datetime.datetime.now(ZoneInfo("Europe/Paris")).date()
MONDAY = TODAY + datetime.timedelta(days=7 - TODAY.weekday())
START, END = TODAY - datetime.timedelta(days=20), TODAY + datetime.timedelta(days=200)  # across a change of the clock

VDIRSYNCER = """
[general]
status_path = "{folder}/status/"
[pair feed]
a = "remote"
b = "local"
collections = null
[storage remote]
type = "http"
url = "{address}"
[storage local]
type = "filesystem"
path = "{folder}/calendar/"
fileext = ".ics"
"""
KHAL = """
[calendars]
[[feed]]
path = {folder}/calendar/
readonly = True
[sqlite]
path = {folder}/khal.db
[locale]
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
local_timezone = UTC
default_timezone = UTC
"""
# From when to when in UTC, and what it is called. Not the UID: vdirsyncer makes its own of what it reads.
Picture = set[tuple[str, str, str]]


class Follower:
    """Somebody's calendar, which follows one address."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        (folder / "calendar").mkdir()
        for name, text in (("vdirsyncer", VDIRSYNCER), ("khal", KHAL)):
            (folder / name).write_text(text.format(folder=folder, address=address))
        self._run("vdirsyncer", "-c", str(folder / "vdirsyncer"), "discover")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            [PROGRAMS / command[0], *command[1:]],
            env={"HOME": str(self.folder), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            input="y\n" * 5,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "error" not in done.stderr.lower(), done.stderr
        return done.stdout

    def sees(self) -> Picture:
        """What khal shows after vdirsyncer has looked."""
        self._run("vdirsyncer", "-c", str(self.folder / "vdirsyncer"), "sync")
        fields = [part for name in ("title", "start-long", "end-long", "status") for part in ("--json", name)]
        listed = self._run("khal", "-c", str(self.folder / "khal"), "list", *fields, str(START), str(END))
        rows = [event for line in listed.splitlines() for event in json.loads(line)]
        return {
            (event["start-long"], event["end-long"], event["title"])
            for event in rows
            if "CANCELLED" not in event["status"]
        }


class Martine:
    """What Martine does and reads by API."""

    def __init__(self, server: Server) -> None:
        self.address = f"{server.address}/api/v1"
        self.session = requests.Session()
        body = {"email": MARTINE, "password": PASSWORD}
        answer = self.session.post(f"{self.address}/auth/sign_in", json=body, timeout=60)
        self.session.headers.update({name: answer.headers[name] for name in ("access-token", "client", "uid")})

    def does(self, method: str, path: str, **body: Any) -> Any:
        answer = self.session.request(method, f"{self.address}/{path}", json=body, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def absence(self, agent: str, title: str, day: datetime.date, start: str, end: str, **more: Any) -> int:
        sent = {"agent_email": agent, "title": title, "first_day": str(day), "start_time": start, "end_time": end}
        pk: int = self.does("POST", "absences", **sent, **more)["absence"]["id"]
        return pk

    def sees(self) -> Picture:
        """What the API says of the same days."""
        found: Picture = set()
        for absence in self.does("GET", "absences?per=100")["absences"]:
            asked = f"absences/{absence['id']}/occurrences?from={START}&to={END}"
            who = f"{absence['agent']['first_name']} {absence['agent']['last_name']}"
            for one in self.does("GET", asked)["occurrences"]:
                moments = (datetime.datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at"))
                starts, ends = (f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M}" for moment in moments)
                found.add((starts, ends, f"{who} : {one['title']}"))
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("feeds"), "shell", "-c", DIRECTORY, workers=1, RDV_GZIP="on") as running:
        yield running


def test_both_programs_end_with_the_picture_of_the_api(server: Server, tmp_path: Path) -> None:
    martine, day = Martine(server), MONDAY
    places = {one["name"]: one["id"] for one in martine.does("GET", "organisations")["organisations"]}
    made = martine.does(
        "POST",
        "feeds",
        name="Équipe",
        organisation_id=places["Le Port"],
        privacy="titles",
        days_back=20,
        days_ahead=200,
    )["feed"]
    follower = Follower(tmp_path, made["ics_address"])
    pictures = [follower.sees()]

    def agree(count: int) -> None:
        api, khal = martine.sees(), follower.sees()
        assert khal == api
        assert len(khal) == count
        pictures.append(khal)

    agree(0)
    paul = "paul@agence.test"
    single = martine.absence(paul, "Congés d'été ; « enfin », \\ oui", day, "08:00", "18:00", end_day=str(day))
    weekly = martine.absence(paul, "Formation", day, "09:30", "12:00", rrule="FREQ=WEEKLY;BYDAY=MO,WE;COUNT=8;")
    across = martine.absence(MARTINE, "Réunion", day, "07:00", "08:15", rrule="FREQ=MONTHLY;INTERVAL=1;")
    agree(len(martine.sees()))
    assert len(pictures[-1]) > 1 + 8 + 5

    # One moves, one occurrence moves, one is taken out, one is renamed.
    following = day + datetime.timedelta(days=7)
    martine.does("PATCH", f"absences/{single}", first_day=str(day + datetime.timedelta(days=1)), end_day=str(following))
    moved = day + datetime.timedelta(days=4)
    martine.does(
        "PATCH", f"absences/{weekly}/occurrences/{day}?scope=this", first_day=str(moved), start_time="14:00",
        end_time="16:00",
    )  # fmt: skip
    martine.does(
        "PATCH", f"absences/{weekly}/occurrences/{day + datetime.timedelta(days=2)}?scope=this", title="Examen"
    )
    martine.does("DELETE", f"absences/{weekly}/occurrences/{following}?scope=this")
    agree(len(pictures[-1]) - 1)
    titles = {title for *_rest, title in pictures[-1]}
    assert "Paul HOARAU : Examen" in titles

    # The rule of what follows changes; then all of it goes, and so does the single one.
    later = day + datetime.timedelta(days=14)
    martine.does("PATCH", f"absences/{weekly}/occurrences/{later}?scope=following", start_time="10:00")
    agree(len(pictures[-1]))
    martine.does("DELETE", f"absences/{weekly}")
    martine.does("DELETE", f"absences/{single}")
    agree(len(martine.sees()))
    assert 0 < len(pictures[-1]) < len(pictures[-2]) - 3
    martine.does("DELETE", f"absences/{across}")
    agree(len(martine.sees()))

    # A renewed address: the former gives nothing any more, the next the same.
    renewed = martine.does("POST", f"feeds/{made['id']}/renew")["feed"]
    (tmp_path / "again").mkdir()
    with pytest.raises(AssertionError, match="Not Found"):
        follower.sees()
    assert Follower(tmp_path / "again", renewed["ics_address"]).sees() == pictures[-1]
