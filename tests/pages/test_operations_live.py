"""The lines that the page of an operation shows: run as they are, they answer what the page answered."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server import Server, serving

pytestmark = [pytest.mark.live, pytest.mark.any_database]

MARTINE, PASSWORD = "martine@agence.test", 'L\'an "2026" = $HOME \\ & @é'
DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
territory = Territory.objects.create(name="Paris", departement_number="75")
place = Organisation.objects.create(name="MDS Les Tilleuls", territory=territory)
martine = Agent.objects.create_user({MARTINE!r}, {PASSWORD!r}, first_name="Martine", last_name="VALIDAY")
AgentRole.objects.create(agent=martine, organisation=place, access_level="admin")
"""
TOOLS = ("HTTPie", "curl", "Python")
AWKWARD = [
    "Congés d'été",
    'dit "oui"',
    "$HOME `id` $(id) !!",
    "=vide",
    "==vide",
    "@/etc/hostname",
    r"a\=b \: c\\d \n",
    "a:=1 b==2 c;d",
    "50 % & 1+1 #?/",
    "😀\u2028x",
    "-x --help",
    '{"a": [1]}',
]


class Visitor(requests.Session):
    """Martine at a browser without scripts, and what she pastes into her terminal."""

    def __init__(self, server: Server, folder: Path) -> None:
        super().__init__()
        self.server = server
        self.folder = folder
        sent = {"username": MARTINE, "password": PASSWORD}
        self._send("/connexion", sent)
        page = self.run("tokens.create", name="Terminal", read_only="false")
        triple = requests.post(
            f"{server.address}/api/v1/auth/sign_in", json={"email": MARTINE, "password": PASSWORD}, timeout=30
        ).headers
        self.environment = {
            "API_KEY": page["token"]["secret"],
            "PASSWORD": PASSWORD,
            "ACCESS_TOKEN": triple["access-token"],
            "CLIENT": triple["client"],
            "AGENT_UID": triple["uid"],
        }

    def _send(self, path: str, form: dict[str, str]) -> str:
        address = self.server.address + path
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.get(address, timeout=30).text))
        answer = self.post(address, hidden | form, headers={"Referer": address}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text

    def page(self, id: str, /, do: str = "run", **values: str) -> str:
        return self._send(f"/operations/{id}", {"do": do, "confirmed": "1"} | {f"p-{k}": v for k, v in values.items()})

    def run(self, id: str, /, **values: str) -> Any:
        """The body that the page shows."""
        return self.shown(self.page(id, **values))

    @staticmethod
    def shown(page: str) -> Any:
        found = re.search(r'<pre id="answer-body"[^>]*>(.*?)</pre>', page, re.DOTALL)
        assert found, page
        return json.loads(html.unescape(found[1]))

    def lines(self, page: str) -> dict[str, str]:
        found = re.findall(r'<pre class="line"[^>]*aria-label="(\w+)"[^>]*>(.*?)</pre>', page, re.DOTALL)
        lines = {tool: html.unescape(line) for tool, line in found}
        assert tuple(lines) == TOOLS
        for line in lines.values():
            assert all(self.environment[name] not in line for name in ("API_KEY", "PASSWORD", "ACCESS_TOKEN"))
        return lines

    def paste(self, tool: str, line: str) -> Any:
        """What the terminal then shows, without the status that the program prints first."""
        command = [sys.executable, "-c", line] if tool == "Python" else ["bash", "-euc", line]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {"PATH": path, "HOME": str(self.folder), "HTTPIE_CONFIG_DIR": str(self.folder), "LANG": "C.UTF-8"}
        done = subprocess.run(
            command,
            env=kept | {"PYTHONUTF8": "1"} | self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        text = done.stdout.partition("\n")[2] if tool == "Python" else done.stdout
        return json.loads(text) if text.strip() else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("lines"), "shell", "-c", DIRECTORY, workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def martine(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    return Visitor(server, tmp_path_factory.mktemp("terminal"))


@pytest.fixture
def same(martine: Visitor) -> Callable[..., None]:
    """Checks that each line answers what the page answered, but for what differs by intent."""

    def check(id: str, /, but: tuple[str, ...] = (), **values: str) -> None:
        page = martine.page(id, **values)
        expected = _without(martine.shown(page), but)
        for tool, line in martine.lines(page).items():
            assert _without(martine.paste(tool, line), but) == expected, line

    return check


def _without(document: Any, names: tuple[str, ...]) -> Any:
    if isinstance(document, dict):
        return {name: _without(value, names) for name, value in document.items() if name not in names}
    if isinstance(document, list):
        return [_without(one, names) for one in document]
    return document


# An absence that is made again is another one.
OF_ONE_ROW = ("id", "url", "ical", "ical_uid", "created_at", "updated_at", "version")


@pytest.mark.parametrize("text", AWKWARD)
def test_what_is_written_is_what_was_typed(same: Any, text: str) -> None:
    same(
        "absences.create",
        OF_ONE_ROW,
        agent_email=MARTINE,
        title=text,
        first_day="2026-12-10",
        start_time="09:00",
        end_time="12:30",
        reason=text,
    )


@pytest.mark.parametrize("text", AWKWARD)
def test_what_is_looked_for_is_what_was_typed(same: Any, martine: Visitor, text: str) -> None:
    made = {"agent_email": MARTINE, "first_day": "2026-11-02", "start_time": "09:00", "end_time": "12:30"}
    martine.run("absences.create", title=text, **made)
    assert martine.run("absences.list", title=text, to="2026-11-03")["absences"]
    same("absences.list", title=text, to="2026-11-03", **{"Accept-Language": "en"})


def test_each_type_is_sent_as_it_was_by_the_page(same: Any) -> None:
    same(
        "tokens.create",
        (*OF_ONE_ROW, "secret", "prefix", "expires_at"),
        name="2026",
        expires_at="30",
        read_only="true",
        resources="absences\r\nagents",
        **{"note:none": "on"},
    )


def test_a_change_and_a_refusal_are_the_same(same: Any) -> None:
    same("organisations.update", ("version",), id="1", name="MDS d'ici", **{"phone_number:none": "on"})
    same("absences.create", title="Rien d'autre")
    same("absences.show", id="999999")
    same("absences.show", id="a/b?c=d")


def test_a_deletion_is_one(martine: Visitor) -> None:
    made = {"agent_email": MARTINE, "title": "À supprimer", "first_day": "2026-11-05"}
    hours = {"start_time": "09:00", "end_time": "12:30"}
    for tool in TOOLS:
        row = martine.run("absences.create", **made, **hours)["absence"]["id"]
        line = martine.lines(martine.page("absences.delete", do="prepare", id=str(row), reason="d'un clic"))[tool]
        assert martine.paste(tool, line) is None
        assert martine.run("absences.show", id=str(row)) == {"not_found": "absence"}


def test_passwords_and_triples_come_from_the_environment(martine: Visitor) -> None:
    for tool, line in martine.lines(martine.page("auth.sign_in", do="prepare", email=MARTINE)).items():
        assert martine.paste(tool, line)["data"]["email"] == MARTINE
    for tool, line in martine.lines(martine.page("auth.validate_token", do="prepare")).items():
        assert martine.paste(tool, line)["data"]["uid"] == MARTINE


def test_what_anybody_may_ask_takes_no_key(same: Any, martine: Visitor) -> None:
    same("api.discover")
    assert all("API_KEY" not in line for line in martine.lines(martine.page("api.discover")).values())
