"""Contract 1.1: parameters by address, query, form or JSON, and which wins; identifiers as they are read."""

from __future__ import annotations

import io

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from agents.models import Organisation
from rdv.api.handler import bare_content_type
from rdv.api.parsers import leading_integer
from tests.factories import AbsenceFactory

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def mds(cast):
    return f"/api/v1/organisations/{cast.mds.pk}"


def name(cast):
    return Organisation.objects.get(pk=cast.mds.pk).name


@pytest.mark.parametrize("verb", ["put", "patch"])
@pytest.mark.parametrize(
    ("query", "body", "content_type"),
    [
        ("", '{"name":"Été & hiver"}', "application/json"),
        ("", '{"name":"Été & hiver"}', "Application/JSON; charset=utf-8"),
        ("", '{"name":"Été & hiver"}', "application/json;charset=UTF-8"),
        ("", '{"name":"\\u00c9t\\u00e9 & hiver"}', "application/json"),
        ("", "name=%C3%89t%C3%A9+%26+hiver", FORM),
        ("", "name=%C3%89t%C3%A9+%26+hiver", f"{FORM}; charset=utf-8"),
        ("", encode_multipart(BOUNDARY, {"name": "Été & hiver", "inconnu€": "€"}), MULTIPART_CONTENT),
        ("?name=%C3%89t%C3%A9+%26+hiver", "", ""),
        ("?name=%C3%89t%C3%A9+%26+hiver", "{}", "application/json"),
        ("?name=%C3%89t%C3%A9+%26+hiver", "", "application/json"),
        ("?name=%C3%89t%C3%A9+%26+hiver", "", FORM),
    ],
)
def test_the_same_change_by_query_form_or_json(cast, martine, mds, verb, query, body, content_type):
    answer = getattr(martine, verb)(f"{mds}{query}", body, content_type=content_type)
    assert answer.status_code == 200, answer.content
    assert name(cast) == "Été & hiver"


def test_the_query_beats_the_body(cast, martine, mds):
    martine.patch(f"{mds}?name=Adresse", {"name": "Corps", "email": "corps@exemple.test"})
    cast.mds.refresh_from_db()
    assert (cast.mds.name, cast.mds.email) == ("Adresse", "corps@exemple.test")


def test_the_path_beats_the_query_and_the_body(cast, martine, mds):
    answer = martine.patch(f"{mds}?pk={cast.lille.pk}", {"pk": cast.lille.pk, "name": "Ici"})
    assert answer.json()["organisation"]["id"] == cast.mds.pk
    assert name(cast) == "Ici"


def test_the_last_of_a_repeated_name_wins(cast, martine, mds):
    martine.patch(f"{mds}?name=Un&name=Deux")
    assert name(cast) == "Deux"
    martine.patch(mds, '{"name":"Un","name":"Trois"}')
    assert name(cast) == "Trois"


def test_unknown_parameters_are_ignored(cast, martine, mds):
    answer = martine.patch(f"{mds}?inconnu=1&a[b][c]=2", {"name": "Nouveau", "autre": {"a": [1]}, "id": 999})
    assert answer.status_code == 200
    assert name(cast) == "Nouveau"


def test_a_read_does_not_look_at_its_body(cast, martine):
    answer = martine.generic("GET", "/api/v1/agents", '{"page": 2', content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["meta"]["current_page"] == 1


@pytest.mark.parametrize("body", ["", "  \n ", "{}"])
def test_an_empty_body_is_no_parameter(cast, martine, mds, body):
    assert martine.patch(mds, body).status_code == 200


def test_a_number_is_read_as_text(cast, martine, mds):
    martine.patch(mds, {"name": 2027})
    assert name(cast) == "2027"


@pytest.mark.parametrize("value", [["a"], {"a": 1}, True])
def test_what_is_no_text_is_refused_with_its_value(cast, martine, mds, value):
    answer = martine.patch(mds, {"name": value})
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": {"name": [{"error": "invalid", "value": value}]},
        "error_messages": ["name n'est pas valide"],
    }


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "application/vnd.api+json", "", "nonsense"])
def test_json_under_another_type_is_absent_from_a_creation_and_hinted_at(cast, martine, content_type):
    answer = martine.post("/api/v1/absences", '{"title":"Congés"}', content_type=content_type)
    assert answer.status_code == 422
    assert "title" in answer.json()["errors"]
    assert answer.json()["hint"] == "Content-Type: application/json"


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "application/vnd.api+json", ""])
def test_a_change_in_a_body_of_another_type_is_not_taken_for_an_empty_one(cast, martine, mds, content_type):
    answer = martine.put(mds, '{"name":"Nouveau"}', content_type=content_type)
    assert answer.status_code == 415
    assert answer.json() == {
        "success": False,
        "errors": [{"base": "unsupported_media_type"}],
        "error_messages": ["Le type du corps de la requête n'est pas pris en charge."],
        "hint": "Content-Type: application/json",
    }
    assert name(cast) == "MDS Les Tilleuls"


def test_files_of_a_form_are_left_aside(cast, martine, mds):
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"; filename="a.bin"\r\n\r\n'.encode()
        + b"contenu\r\n"
        + f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="email"\r\n\r\na@exemple.test\r\n'.encode()
        + f"--{BOUNDARY}--\r\n".encode()
    )
    assert martine.patch(mds, body, content_type=MULTIPART_CONTENT).status_code == 200
    cast.mds.refresh_from_db()
    assert (cast.mds.name, cast.mds.email) == ("MDS Les Tilleuls", "a@exemple.test")


@pytest.mark.parametrize(
    "parameter",
    [
        *(f"charset={name}" for name in ("utf-8", "iso-8859-1", "utf-16", "hex", "undefined", "nonsense", "")),
        "charset*=hex''x",
        "x*=nonsense''x",
        "x",
        ";;=",
    ],
)
def test_text_is_utf8_whatever_charset_is_announced(cast, martine, mds, rf, door, parameter):
    body = '{"email":"été@exemple.test"}'.encode()
    request = rf.patch(f"{mds}?name=%C3%89t%C3%A9", body, content_type="application/json", headers=martine.triple)
    environ = request.environ | {"CONTENT_TYPE": f"application/json; {parameter}", "wsgi.input": io.BytesIO(body)}
    statuses = []
    door(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["422 Unprocessable Entity"]  # of the email, which was read
    body = b'{"phone_number":"1234"}'
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    door(environ, lambda status, headers: statuses.append(status))
    assert statuses[1:] == ["200 OK"]
    assert name(cast) == "Été"


@pytest.mark.parametrize(
    ("header", "bare"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; Charset=utf-8", "Application/JSON"),
        ("multipart/form-data; boundary=abc", 'multipart/form-data; boundary="abc"'),
        ('multipart/form-data; charset=hex; Boundary="a b c" ; x=y', 'multipart/form-data; boundary="a b c"'),
        ("", ""),
        (";", ""),
    ],
)
def test_of_a_content_type_the_media_type_and_the_boundary_are_kept(header, bare):
    assert bare_content_type(header) == bare


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("12", 12),
        (12, 12),
        ("12abc", 12),
        (" 12", 12),
        ("0012", 12),
        ("12.9", 12),
        (12.9, 12),
        ("inconnu", 0),
        ("", 0),
        ("-12", 0),
        (-12, 0),
        (True, 0),
        (None, 0),
        ([12], 0),
        ({"id": 12}, 0),
        (2**63 - 1, 2**63 - 1),
        (2**63, 0),
        (1.2e30, 0),
        (float("inf"), 0),
        (float("nan"), 0),
        ("9" * 30, 0),
        ("1" * 1_000_000, 0),
        ("١٢", 0),
        ("²", 0),
    ],
)
def test_an_identifier_is_its_leading_digits_else_nothing(value, read):
    assert leading_integer(value) == read


@pytest.mark.parametrize(("suffix", "status"), [("", 200), ("abc", 200), ("-1", 200), (".5", 200), ("0" * 30, 404)])
def test_an_identifier_in_a_path(cast, martine, suffix, status):
    absence = AbsenceFactory(agent=cast.bruno)
    assert martine.get(f"/api/v1/absences/{absence.pk}{suffix}").status_code == status


@pytest.mark.parametrize("end", ["", "/", ".json", ".json/"])
def test_addresses_are_forgiving(cast, martine, mds, end):
    assert martine.get(f"/api/v1/agents{end}").status_code == 200
    assert martine.patch(f"{mds}{end}", {"name": f"Nouveau {end}"}).status_code == 200
    assert name(cast) == f"Nouveau {end}".strip()


@pytest.mark.parametrize(
    "path",
    ["/api/v1/Agents", "/API/v1/agents", "/api/v1/agents//", "/api/v1//agents", "/api/v1/agents.xml", "/api/v2/agents"],
)
def test_another_spelling_of_an_address_leads_nowhere(martine, path):
    answer = martine.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "errors": ["not_found"]}
