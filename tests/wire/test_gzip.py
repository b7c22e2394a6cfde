"""RDV_GZIP=on: what is read comes in gzip for who accepts it, and its validators still work (row P35)."""

from __future__ import annotations

import gzip
import json

import pytest

from rdv.api.gzipped import SHORT, accepts_gzip
from tests.factories import AbsenceFactory
from tests.observing import by, door_of_a_server

ABSENCES = "/api/v1/absences"
GZIP = {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br"}


@pytest.fixture
def door(db, settings):
    settings.RDV_GZIP = True
    with door_of_a_server() as door:
        yield door


@pytest.fixture
def martine(cast, sign_in):
    AbsenceFactory.create_batch(5, agent=cast.bruno)
    return by(sign_in(cast.martine))


@pytest.fixture
def one(cast):
    """The address of an absence whose bytes are worth compressing."""
    return f"{ABSENCES}/{AbsenceFactory(agent=cast.bruno, title='Congés ' * 30).pk}"


def varies(headers):
    return [name.strip() for name in headers["Vary"].split(",")]


def test_who_accepts_it_gets_the_same_bytes_in_fewer(door, martine):
    _status, headers, usual = door.ask("GET", ABSENCES, **martine)
    assert "Content-Encoding" not in headers
    status, headers, body = door.ask("GET", ABSENCES, **martine, **GZIP)
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == usual
    assert headers["Content-Length"] == str(len(body))
    assert len(body) < len(usual) / 3


def test_caches_are_told_once_whoever_asks(door, martine):
    for asked in ({}, GZIP):
        assert varies(door.ask("GET", ABSENCES, **martine, **asked)[1]).count("Accept-Encoding") == 1
    assert "Accept-Language" in varies(door.ask("GET", ABSENCES, **martine, **GZIP)[1])


def test_the_weak_etag_of_a_list_is_the_same_and_gets_its_304(door, martine):
    etag = door.ask("GET", ABSENCES, **martine)[1]["ETag"]
    assert door.ask("GET", ABSENCES, **martine, **GZIP)[1]["ETag"] == etag
    status, headers, body = door.ask("GET", ABSENCES, HTTP_IF_NONE_MATCH=etag, **martine, **GZIP)
    assert (status, body, headers["ETag"]) == (304, b"", etag)
    assert "Content-Encoding" not in headers
    assert "Accept-Encoding" in varies(headers)


def test_the_strong_etag_of_a_row_says_that_it_is_of_the_compressed_bytes(door, martine, one):
    plain = door.ask("GET", one, **martine)[1]["ETag"]
    first, second = (door.ask("GET", one, **martine, **GZIP) for _ in range(2))
    assert first[1]["ETag"] == second[1]["ETag"] == f'{plain[:-1]}-gzip"'
    assert first[2] == second[2]  # byte for byte: a strong tag promises it


@pytest.mark.parametrize("form", ["{plain}", "{gzip}", "W/{gzip}", '"other", {gzip}'])
def test_either_gets_its_304(door, martine, one, form):
    tags = {
        "plain": door.ask("GET", one, **martine)[1]["ETag"],
        "gzip": door.ask("GET", one, **martine, **GZIP)[1]["ETag"],
    }
    status, headers, _body = door.ask("GET", one, HTTP_IF_NONE_MATCH=form.format(**tags), **martine, **GZIP)
    assert status == 304
    assert headers["ETag"] == tags["plain" if form == "{plain}" else "gzip"]


def test_a_row_that_changed_meanwhile_is_sent_anew(door, martine, one):
    etag = door.ask("GET", one, **martine, **GZIP)[1]["ETag"]
    assert door.ask("PATCH", one, b'{"title": "Autre"}', **martine)[0] == 200
    assert door.ask("GET", one, HTTP_IF_NONE_MATCH=etag, **martine, **GZIP)[0] == 200


def test_and_may_be_changed_by_the_tag_that_was_read(door, martine, one):
    etag = door.ask("GET", one, **martine, **GZIP)[1]["ETag"]
    assert door.ask("PATCH", one, b'{"title": "Autre"}', HTTP_IF_MATCH=etag, **martine)[0] == 200
    assert door.ask("PATCH", one, b'{"title": "Encore"}', HTTP_IF_MATCH=etag, **martine)[0] == 412


def test_what_fits_into_a_packet_is_sent_as_it_is(door, martine):
    _status, headers, body = door.ask("GET", "/api/v1/organisations", **martine, **GZIP)
    assert len(body) < SHORT
    assert "Content-Encoding" not in headers
    assert json.loads(body)["organisations"]


def test_the_answer_to_a_change_is_never_compressed(cast, door, martine):
    new = {
        "agent_id": cast.bruno.pk,
        "title": "Congés " * 30,
        "first_day": "2026-12-01",
        "start_time": "08:00",
        "end_time": "12:00",
    }
    _status, headers, body = door.ask("POST", ABSENCES, json.dumps(new).encode(), **martine, **GZIP)
    assert json.loads(body)["absence"]["title"].startswith("Congés")
    assert len(body) > SHORT
    assert "Content-Encoding" not in headers


def test_the_length_of_a_page_tells_nothing_of_what_is_in_it(door):
    pages = [door.ask("GET", "/connexion", **GZIP) for _ in range(30)]
    assert {headers["Content-Encoding"] for _status, headers, _body in pages} == {"gzip"}
    assert len({len(body) for *_rest, body in pages}) > 10
    assert b"csrfmiddlewaretoken" in gzip.decompress(pages[0][2])
    assert "csrftoken=" in pages[0][1]["Set-Cookie"]


def test_a_static_file_is_sent_as_it_is(door):
    status, headers, body = door.ask("GET", "/static/rdv/account.css", **GZIP)
    assert (status, "Content-Encoding" in headers) == (200, False)
    assert body


def test_head_is_told_what_get_would_be(door, martine):
    get, head = (door.ask(method, ABSENCES, **martine, **GZIP)[1] for method in ("GET", "HEAD"))
    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary"):
        assert get[name] == head[name], name


def test_unless_it_is_switched_on_nothing_changes(db, settings, martine):
    assert settings.RDV_GZIP is False
    with door_of_a_server() as door:
        _status, headers, body = door.ask("GET", ABSENCES, **martine, **GZIP)
    assert "Content-Encoding" not in headers
    assert "Accept-Encoding" not in headers["Vary"]
    assert json.loads(body)["absences"]


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("identity;q=0, *;q=0.1", True),
        ("gzip;q=1.0, identity;q=0.5", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=0.2, identity", False),
        ("br, deflate", False),
        ("*;q=0", False),
        (";;;,=,q", False),
    ],
)
def test_it_is_for_who_accepts_it(header, accepted):
    assert accepts_gzip(header) is accepted


def test_of_long_headers_that_begin_alike_one_is_remembered(door, martine):
    accepts_gzip.cache_clear()
    for end in "abc":
        headers = door.ask("GET", ABSENCES, HTTP_ACCEPT_ENCODING="gzip," * 5000 + end, **martine)[1]
        assert headers["Content-Encoding"] == "gzip"
    assert accepts_gzip.cache_info().currsize == 1
