"""`/absences/importer`: a file is looked at, then taken, as the agent who is signed in."""

from __future__ import annotations

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from absences.models import Absence
from agents.models import RecordEntry

from .conftest import csrf_token, shown, signed_in

pytestmark = pytest.mark.usefixtures("now")

PAGE = "/absences/importer"


@pytest.fixture
def table(cast):
    return f"agent;titre;du;au\n{cast.bruno.email};Congés d'été;23/12/2026;31/12/2026\n"


def send(client, content, **more):
    return client.post(PAGE, {"do": "check", "file": SimpleUploadedFile("a.csv", content)} | more)


def take(client, page, **changes):
    """Press the button of the page that shows what would be done."""
    text = shown(page)
    content = html.unescape(re.search(r"<textarea[^>]*>\r?\n(.*?)</textarea>", text, re.DOTALL)[1])
    once = re.search(r'name="once" value="([^"]+)"', text)[1]
    agent = re.search(r'name="agent" value="([^"]*)"', text)[1]
    return client.post(PAGE, {"do": "take", "content": content, "once": once, "agent": agent} | changes)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_it_is_shown_and_then_taken(martine, cast, table, encoding):
    page = send(martine, table.encode(encoding))
    assert page.status_code == 200
    assert "Congés d&#x27;été" in shown(page)
    assert not Absence.objects.exists()
    done = take(martine, page)
    assert "Le fichier est importé." in shown(done)
    row = Absence.objects.get()
    assert (row.agent, row.title) == (cast.bruno, "Congés d'été")
    told = RecordEntry.objects.get(resource="absence")
    assert (told.actor_id, told.credential_kind) == (cast.martine.pk, "session")
    again = take(martine, page)
    assert again.status_code == 302
    assert Absence.objects.count() == 1


def test_each_defect_is_in_a_table_and_nothing_can_be_taken(martine, table):
    page = send(martine, table.replace("31/12/2026", "30/02/2027").encode())
    assert page.status_code == 422
    row = re.search(r"<tbody>(.*?)</tbody>", shown(page), re.DOTALL)[1]
    assert re.findall(r"<t[hd][^>]*>([^<]*)", row)[:2] == ["2", "au"]
    assert 'value="take"' not in shown(page)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x81", b"rien", b"BEGIN:VCALENDAR\r\n"])
def test_what_is_no_file_is_refused(martine, content):
    page = send(martine, content)
    assert page.status_code == 422
    assert 'role="alert"' in shown(page)


def test_a_calendar_is_of_the_agent_who_is_named(martine, cast):
    event = "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:x\r\nDTSTART:20261201\r\nEND:VEVENT\r\n"
    page = send(martine, f"BEGIN:VCALENDAR\r\n{event}END:VCALENDAR\r\n".encode(), agent=cast.chloe.email)
    take(martine, page)
    assert Absence.objects.get().agent == cast.chloe


def test_who_may_not_see_the_agent_imports_nothing(cast, table):
    page = send(signed_in(cast.etienne), table.encode())
    assert page.status_code == 422
    assert "n’avez pas les droits" in shown(page)


def test_it_is_for_who_is_signed_in_and_came_from_the_page(cast, table, db):
    assert Client().get(PAGE).status_code == 302
    strict = signed_in(cast.martine, enforce_csrf_checks=True)
    assert send(strict, table.encode()).status_code == 403
    token = csrf_token(strict.get(PAGE))
    assert send(strict, table.encode(), csrfmiddlewaretoken=token).status_code == 200
