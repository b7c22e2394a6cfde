"""Results for people and for programs (row K5)."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest

from rdv_cli.words import harmless

from .conftest import Screen

pytestmark = pytest.mark.no_database


def row(id: int, **more: object) -> dict[str, object]:
    agent = {"id": 1, "email": "m@exemple.test", "first_name": "Martine", "last_name": "VALIDAY"}
    return {"id": id, "agent": agent, "title": f"RTT {id}", "ical": "BEGIN\r\nEND\r\n", "rrule": None, **more}


def page(*rows: dict[str, object], total: int | None = None, cursor: str | None = None) -> httpx.Response:
    count = len(rows) if total is None else total
    meta = {"current_page": 1, "next_page": None, "total_count": count, "next_cursor": cursor}
    return httpx.Response(200, json={"absences": list(rows), "meta": meta}, headers={"X-Total-Count": str(count)})


@pytest.fixture
def screen(desk, monkeypatch):
    """A screen of 100 columns, where results go."""
    monkeypatch.setenv("COLUMNS", "100")
    desk.screen = Screen()
    desk.environment["NO_COLOR"] = "1"
    return desk.screen


def test_programs_get_the_body_as_json(desk):
    desk.answer = lambda request: page(row(1))
    ran = desk("absences", "list")
    assert ran.json == {"absences": [row(1)], "meta": page(row(1)).json()["meta"]}
    assert ran.err == ""


def test_people_get_a_table_at_a_screen(desk, screen):
    desk.answer = lambda request: page(row(1), row(2))
    assert desk("absences", "list").code == 0
    lines = screen.getvalue().splitlines()
    assert lines[0].split() == ["id", "title", "agent"]
    assert lines[2].split() == ["1", "RTT", "1", "Martine", "VALIDAY"]
    assert len(lines) == 4


def test_what_is_within_is_shown_in_a_word(desk, screen):
    within = {"changes": {"title": ["a", "b"]}, "object": {"id": 7, "name": None}, "tags": ["x", {"name": "y"}]}
    desk.answer = lambda request: page({"id": 1, "seen": True} | within)
    desk("absences", "list")
    assert screen.getvalue().splitlines()[2].split() == ["1", "yes", "title", "7", "x,", "y"]


def test_what_has_no_room_is_named(desk, screen):
    many = {f"column_{number}": "x" * 30 for number in range(9)}
    desk.answer = lambda request: page(row(1, **many))
    ran = desk("absences", "list")
    assert max(map(len, screen.getvalue().splitlines())) <= 100
    assert "with --fields: column_2" in ran.err


def test_colours_are_for_screens_that_want_them(desk, screen, monkeypatch):
    desk.answer = lambda request: httpx.Response(200, json={"absence": row(1)})
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PAGER", "cat")
    desk("absences", "show", "1")
    desk("help", "absences")
    assert "\x1b[" not in screen.getvalue()
    del desk.environment["NO_COLOR"]
    desk("absences", "show", "1")
    assert "\x1b[1m" in screen.getvalue()
    desk.screen = None
    assert "\x1b[" not in desk("absences", "show", "1", "-o", "table").out


def test_csv_has_a_column_for_each_value_and_the_same_for_every_page(desk):
    desk.answer = lambda request: page(row(1), row(2, title='a,"b"'))
    lines = list(csv.DictReader(io.StringIO(desk("absences", "list", "-o", "csv").out)))
    assert [line["title"] for line in lines] == ["RTT 1", 'a,"b"']
    assert lines[0]["agent.email"] == "m@exemple.test"
    desk.answer = lambda request: page()
    assert desk("absences", "list", "-o", "csv").out.split(",")[:3] == ["id", "agent.id", "agent.email"]


def test_lines_of_json_are_one_row_each(desk):
    desk.answer = lambda request: page(row(1), row(2))
    ran = desk("absences", "list", "-o", "ndjson")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [1, 2]


def test_fields_choose_even_within_and_the_server_sends_no_more(desk):
    desk.answer = lambda request: page(row(1))
    ran = desk("absences", "list", "--fields", "title,agent.email,agent.id")
    assert ran.json["absences"] == [{"title": "RTT 1", "agent": {"email": "m@exemple.test", "id": 1}}]
    assert desk.requests[-1].url.params["fields"] == "title,agent"
    assert (
        desk("absences", "list", "-o", "csv", "--fields", "agent.email,id").out == "agent.email,id\nm@exemple.test,1\n"
    )
    desk.answer = lambda request: httpx.Response(200, json={"me": {"id": 3, "email": "m@exemple.test"}})
    assert desk("me", "show", "--fields", "id").json == {"me": {"id": 3}}


def test_one_thing_is_shown_in_every_form(desk):
    desk.answer = lambda request: httpx.Response(200, json={"absence": row(1)})
    assert desk("absences", "show", "1").json == {"absence": row(1)}
    assert json.loads(desk("absences", "show", "1", "-o", "ndjson").out) == row(1)
    (line,) = csv.DictReader(io.StringIO(desk("absences", "show", "1", "-o", "csv", "--fields", "id,title").out))
    assert line == {"id": "1", "title": "RTT 1"}
    assert "last_name: VALIDAY" in desk("absences", "show", "1", "-o", "table").out


def test_a_page_that_is_not_all_says_so_beside_the_result(desk):
    desk.answer = lambda request: page(row(1), total=7)
    ran = desk("absences", "list")
    assert ran.json["absences"] == [row(1)]
    assert ran.err == "1 of 7 rows; --all for all of them.\n"
    assert desk("absences", "list", "--quiet").err == ""


def pages(request: httpx.Request) -> httpx.Response:
    """Seven rows, three at a time."""
    first = int(request.url.params["cursor"] or 0)
    rows = [row(number + 1) for number in range(first, min(first + 3, 7))]
    return page(*rows, total=7, cursor=str(first + 3) if first + 3 < 7 else None)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "table"])
def test_all_pages_are_walked_by_cursor(desk, form):
    desk.answer = pages
    ran = desk("absences", "list", "--all", "-o", form, "--fields", "id")
    assert ran.code == 0
    assert [request.url.params["cursor"] for request in desk.requests] == ["", "3", "6"]
    assert desk.requests[0].url.params["per"] == "100"
    if form == "json":
        assert ran.json == {"absences": [{"id": number} for number in range(1, 8)], "meta": {"count": 7}}
    else:
        assert all(str(number) in ran.out for number in range(1, 8))


def test_a_limit_asks_for_no_more_pages_than_it_needs(desk):
    desk.answer = pages
    ran = desk("absences", "list", "--limit", "4", "--per", "3")
    assert [one["id"] for one in ran.json["absences"]] == [1, 2, 3, 4]
    assert len(desk.requests) == 2


def test_a_walk_that_turns_in_a_circle_ends(desk):
    desk.answer = lambda request: page(row(1), cursor="3")
    assert len(desk("absences", "list", "--all").json["absences"]) == 2


def test_nothing_to_show_is_nothing_on_the_standard_output(desk):
    desk.answer = lambda request: httpx.Response(204)
    ran = desk("absences", "delete", "1")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "It is deleted.\n"


def test_a_header_may_be_the_result(desk):
    desk.answer = lambda request: httpx.Response(200, json={"absence": row(1)}, headers={"ETag": '"1-4"'})
    ran = desk("absences", "show", "1", "--print-header", "etag")
    assert (ran.code, ran.out) == (0, '"1-4"\n')
    assert desk("absences", "show", "1", "--print-header", "X-None").code == 1


def test_what_others_wrote_does_not_act_on_the_terminal(desk):
    desk.answer = lambda request: page(row(1, title="\x1b]0;mine\x07 [red]RTT[/red] \x9b31m"))
    out = desk("absences", "list", "-o", "table").out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\x9b" not in out
    assert "[red]RTT[/red]" in out
    for form in ("json", "ndjson"):
        out = desk("absences", "list", "-o", form).out
        assert "\x1b" not in out
        assert "\x9b" not in out
    # Programs get what it is.
    assert desk("absences", "list").json["absences"][0]["title"] == "\x1b]0;mine\x07 [red]RTT[/red] \x9b31m"
    assert "\x1b" in desk("absences", "list", "-o", "csv").out


def test_csv_at_a_screen_does_not_either(desk, screen):
    desk.answer = lambda request: page(row(1, title="\x1b]0;mine"))
    desk("absences", "list", "-o", "csv", "--fields", "id,title")
    assert screen.getvalue() == "id,title\n1,\\x1b]0;mine\n"


def test_the_sentences_of_a_server_do_not_either(desk):
    body = {"success": False, "errors": [{"base": "forbidden"}], "error_messages": ["\x1b[2Jgone"]}
    desk.answer = lambda request: httpx.Response(403, json=body)
    assert "\x1b" not in desk("me", "show").err
    assert harmless("a\u202eb\tc\r\n") == "a\\u202eb c \n"


@pytest.mark.parametrize(("kind", "text"), [("text/html", "<html>portal</html>"), ("application/json", "{")])
def test_a_portal_that_answers_in_its_place_is_told(desk, kind, text):
    desk.others = True
    desk.answer = lambda request: httpx.Response(200, text=text, headers={"Content-Type": kind})
    ran = desk("me", "show")
    assert (ran.code, ran.out) == (1, "")
    assert "is not RDV" in ran.err


def test_a_redirection_is_followed_by_nobody(desk):
    desk.answer = lambda request: httpx.Response(302, headers={"Location": "https://elsewhere.example/"})
    ran = desk("me", "show")
    assert ran.code == 1
    assert "The server redirects to https://elsewhere.example/" in ran.err
    assert len(desk.requests) == 1
    ran = desk("auth", "edit-password", "--redirect-url", "https://a.example", "--reset-password-token", "@/dev/null")
    assert (ran.code, ran.json) == (0, {"location": "https://elsewhere.example/"})
