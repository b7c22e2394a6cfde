"""Pages of the manual, made of what the server says (row K1)."""

from __future__ import annotations

import re

import httpx
import pytest

from rdv.api.openapi import document
from rdv_cli.document import Catalogue

pytestmark = pytest.mark.no_database

ENGLISH = [
    *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "GENERAL OPTIONS"),
    *("RIGHTS", "ERRORS", "EXIT CODES", "EXAMPLES"),
]
FRENCH = [
    *("NOM", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "OPTIONS GÉNÉRALES"),
    *("DROITS", "ERREURS", "CODES DE SORTIE", "EXEMPLES"),
]
COMMANDS = [(operation.group, operation.command) for operation in Catalogue.of(document("en")).operations]


def sections(page: str) -> list[str]:
    return re.findall(r"^(\S.*)$", page, re.MULTILINE)


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused") from ConnectionRefusedError()


def test_an_action_has_its_page(desk):
    ran = desk("help", "absences", "create")
    assert (ran.code, sections(ran.out)) == (0, ENGLISH)
    assert "rdv absences create - Create an absence" in ran.out
    assert re.search(r"--first-day YYYY-MM-DD\n +The first day\. Required\. For example 2026-12-23\.", ran.out)
    assert "Scope of the key: absences." in ran.out
    assert re.search(r"401 unauthenticated\n? +", ran.out)
    assert "6      values refused (422)" in re.sub(r"(\d) +", r"\1      ", ran.out)
    assert "rdv absences create --first-day 2026-12-10" in ran.out
    assert max(map(len, ran.out.split("EXAMPLES")[0].splitlines())) <= 96


def test_what_is_needed_comes_first_and_headers_last(desk):
    page = desk("help", "absences", "create").out.split("OPTIONS")[1].split("GENERAL")[0]
    options = re.findall(r"^ {7}--([a-z-]+)", page, re.MULTILINE)
    assert set(options[:4]) == {"first-day", "start-time", "end-time", "title"}
    assert options[-1] == "accept-language"


def test_it_speaks_the_language_of_the_terminal(desk):
    desk.environment["LANG"] = "fr_FR.UTF-8"
    ran = desk("help", "absences", "create")
    assert sections(ran.out) == FRENCH
    assert "rdv absences create - Créer une absence" in ran.out
    assert sections(desk("help", "absences", "create", "--lang", "en").out) == ENGLISH
    desk.environment |= {"LANG": "fr_FR.UTF-8", "LC_ALL": "en_US.UTF-8"}
    assert sections(desk("help", "absences", "create").out) == ENGLISH


def test_the_option_help_shows_the_same_page(desk):
    assert desk("absences", "create", "--help").out == desk("help", "absences", "create").out
    assert desk("absences", "-h").out == desk("help", "absences").out == desk("absences").out
    assert desk("--help").out == desk("help").out == desk().out


@pytest.mark.parametrize(("group", "action"), COMMANDS, ids=[" ".join(command) for command in COMMANDS])
def test_every_action_has_a_page_that_names_all_its_options(desk, group, action):
    ran = desk("help", group, action)
    assert ran.code == 0, ran.err
    operation = Catalogue.of(document("en")).groups[group].operations[action]
    for parameter in operation.parameters:
        shown = parameter.name.upper() if parameter.place == "path" or parameter.file else f"--{parameter.option}"
        assert re.search(rf"^ {{7}}{re.escape(shown)}\b", ran.out, re.MULTILINE), shown
    for refusal in operation.refusals:
        assert f"{refusal.status} {refusal.code}" in ran.out


def test_a_group_lists_its_actions_and_the_first_page_the_groups(desk):
    page = desk("help", "absences").out
    actions = page.split("ACTIONS")[1].split("SEE ALSO")[0]
    for command in (action for group, action in COMMANDS if group == "absences"):
        assert re.search(rf"^ {{7}}{command}\b", actions, re.MULTILINE), command
    first = desk("help").out
    for name in ("absences", "tokens", "sign-in", "doctor", "completion", "RDVCLI_TOKEN"):
        assert name in first


def test_a_page_that_is_not_there_is_told_with_the_nearest(desk):
    ran = desk("help", "absences", "crate")
    assert (ran.code, ran.out) == (2, "")
    assert 'There is no "crate". Perhaps create?' in ran.err


def test_our_own_commands_have_pages(desk):
    for name in ("sign-in", "sign-out", "doctor", "completion", "help"):
        assert f"rdv {name}" in desk("help", name).out
        assert desk(name, "--help").out == desk("help", name).out


def test_the_description_is_asked_for_once_an_hour(desk, monkeypatch):
    for _ in range(3):
        desk("help", "absences")
    assert desk.descriptions == 1
    asked = []

    def unchanged(request):
        asked.append(request.headers.get("if-none-match"))
        return httpx.Response(304)

    desk.described = unchanged
    now = __import__("time").time()
    monkeypatch.setattr("rdv_cli.cache.time.time", lambda: now + 3601)
    assert "create" in desk("help", "absences").out
    assert asked == ['W/"en"']
    desk("help", "absences")
    assert len(asked) == 1


def test_the_manual_is_there_when_the_server_is_away(desk, monkeypatch):
    page = desk("help", "absences", "create").out
    desk.described = away
    now = __import__("time").time()
    monkeypatch.setattr("rdv_cli.cache.time.time", lambda: now + 36000)
    ran = desk("help", "absences", "create")
    assert (ran.code, ran.out) == (0, page)
    assert "The server does not answer; this is what it said at" in ran.err


def test_without_a_server_and_without_memory_the_first_page_remains(desk):
    desk.described = away
    ran = desk("help")
    assert ran.code == 0
    assert "sign-in" in ran.out
    assert "does not answer" in ran.err
    assert desk("help", "absences").code == 8
    desk.environment.pop("RDVCLI_SERVER")
    ran = desk("help")
    assert ran.code == 0
    assert "rdv sign-in --server" in ran.out


def test_what_is_kept_unreadable_is_asked_for_again(desk):
    desk("help", "absences")
    (kept,) = (desk.home / ".cache" / "rdv").iterdir()
    kept.write_text("{")
    assert desk("help", "absences").code == 0
    assert desk.descriptions == 2


@pytest.mark.parametrize("body", ["<html>", "[]", '{"openapi": "2.0"}', '{"openapi": "3.1.0"}'])
def test_a_server_that_describes_something_else_is_no_rdv_server(desk, body):
    desk.described = lambda request: httpx.Response(200, text=body)
    ran = desk("absences", "list")
    assert ran.code == 1
    assert "is no RDV server" in ran.err
    assert "rdv doctor" in ran.err
