"""Limits on size and depth: 413 and 400, at once, after the caller is known (contract 1.1; design decision 1)."""

from __future__ import annotations

import io
import json

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT

from agents.models import Organisation
from rdv.api.parsers import MAX_DEPTH

LIMIT = 1024 * 1024
FORM = "application/x-www-form-urlencoded"


class Unread(io.BytesIO):
    """A body that must not be read."""

    def read(self, *args):
        raise AssertionError("The body was read.")


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def mds(cast):
    return f"/api/v1/organisations/{cast.mds.pk}"


def padded(length):
    body = b'{"name":"Nouveau"}'
    return body + b" " * (length - len(body))


def test_a_body_of_the_limit_is_read(cast, martine, mds):
    assert martine.patch(mds, padded(LIMIT)).status_code == 200
    assert Organisation.objects.get(pk=cast.mds.pk).name == "Nouveau"


def test_a_body_one_byte_longer_is_413(cast, martine, mds):
    answer = martine.patch(mds, padded(LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json() == {
        "success": False,
        "errors": [{"base": "payload_too_large"}],
        "error_messages": ["Le corps de la requête dépasse 1048576 octets."],
    }
    assert Organisation.objects.get(pk=cast.mds.pk).name == "MDS Les Tilleuls"


def test_the_limit_is_a_setting(martine, mds, settings):
    settings.RDV_MAX_BODY_BYTES = 1024
    assert martine.patch(mds, padded(1024)).status_code == 200
    assert martine.patch(mds, padded(1025)).status_code == 413


@pytest.mark.parametrize("content_type", ["application/json", FORM, MULTIPART_CONTENT, "text/plain", ""])
def test_a_body_that_announces_too_much_is_not_read_at_all(martine, mds, content_type):
    announced = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(10 * LIMIT), "wsgi.input": Unread()}
    assert martine.patch(mds, b"", **announced).status_code == 413


@pytest.mark.parametrize("content_type", ["application/json", FORM, MULTIPART_CONTENT, "text/plain", ""])
def test_a_stranger_makes_us_read_nothing(anonymous, db, content_type):
    announced = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": "1000", "wsgi.input": Unread()}
    assert anonymous.generic("POST", "/api/v1/absences", b"", **announced).status_code == 401


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_the_limit_holds_for_every_verb(martine, verb):
    announced = {"CONTENT_LENGTH": str(LIMIT + 1), "wsgi.input": Unread()}
    assert martine.generic(verb.upper(), "/api/v1/absences/999", b"", **announced).status_code == 413


def test_a_body_shorter_than_announced_is_400(cast, martine, mds):
    for content_type in ("application/json", FORM, "text/plain"):
        sent = io.BytesIO(b'{"name":"Nouveau"}')
        announced = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": "100", "wsgi.input": sent}
        assert martine.patch(mds, b"", **announced).status_code == 400
    assert Organisation.objects.get(pk=cast.mds.pk).name == "MDS Les Tilleuls"


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", ""])
def test_a_length_that_is_none_changes_nothing(cast, martine, mds, length):
    sent = io.BytesIO(b'{"name":"Nouveau"}')
    announced = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": length, "wsgi.input": sent}
    assert martine.patch(mds, b"", **announced).status_code == 200
    assert Organisation.objects.get(pk=cast.mds.pk).name == "MDS Les Tilleuls"


def chunked(body):
    """A body whose length the client does not announce, as a server hands it over."""
    return {
        "headers": {"Transfer-Encoding": "chunked"},
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "",
        "wsgi.input": io.BytesIO(body),
    }


def test_a_chunked_body_is_read(cast, martine, mds):
    assert martine.patch(mds, b"", **chunked(b'{"name":"Nouveau"}')).status_code == 200
    assert Organisation.objects.get(pk=cast.mds.pk).name == "Nouveau"


def test_a_chunked_body_beyond_the_limit_is_413(martine, mds):
    assert martine.patch(mds, b"", **chunked(padded(LIMIT + 1))).status_code == 413


def nested(levels):
    """A JSON object with so many levels, itself the first."""
    return '{"name":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def test_as_many_levels_as_allowed_are_read(martine, mds):
    answer = martine.patch(mds, nested(MAX_DEPTH - 1))
    assert answer.status_code == 422
    assert answer.json()["errors"]["name"][0]["error"] == "invalid"


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 250, 300, 1000, 1020, 10_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_too_many_levels_are_400(cast, martine, mds, levels, opening):
    closing = "]" if opening == "[" else "}"
    inner = "1" if opening != "[" else ""
    body = '{"name":' + opening * levels + inner + closing * levels + "}"
    answer = martine.patch(mds, body)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"base": "bad_request"}]


def test_many_parameters_are_400_in_a_form_and_in_an_address(martine, mds):
    many = "&".join(f"a{number}=1" for number in range(1001))
    assert martine.patch(mds, many, content_type=FORM).status_code == 400
    assert martine.get(f"{mds}?{many}").status_code == 400


def test_many_fields_of_a_multipart_form_are_400(martine, mds):
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    body = field * 1001 + f"--{BOUNDARY}--\r\n"
    assert martine.patch(mds, body, content_type=MULTIPART_CONTENT).status_code == 400


def test_a_wide_document_is_read(martine, mds):
    assert martine.patch(mds, json.dumps({"x": list(range(100_000)), "name": "Nouveau"})).status_code == 200
