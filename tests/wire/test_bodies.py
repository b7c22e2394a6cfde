"""A body comes whole, or is refused: what is cut must not pass for less that was meant."""

from __future__ import annotations

import io
from wsgiref.util import setup_testing_defaults

import pytest

from rdv.api.bodies import Incomplete, LengthRequired, receive

FORM = "application/x-www-form-urlencoded"


def received(body=b"", **environ):
    environ = {"CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body), **environ}
    receive(environ)
    return environ["wsgi.input"].read()


def test_a_body_of_the_length_announced_is_received():
    assert received(b'{"a":1}and more', CONTENT_LENGTH="7") == b'{"a":1}'


def test_a_shorter_one_is_refused_whoever_sends_it():
    with pytest.raises(Incomplete):
        received(b'{"a":1', CONTENT_LENGTH="7")


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM}; x", "multipart/form-data; boundary=a"])
def test_a_form_says_its_length(content_type):
    with pytest.raises(LengthRequired):
        received(b"title=Cong", CONTENT_TYPE=content_type, HTTP_TRANSFER_ENCODING="chunked")
    assert received(b"a=1", CONTENT_TYPE=content_type, CONTENT_LENGTH="3") == b"a=1"


def test_json_need_not_since_its_end_shows():
    assert received(b'{"a":1}', HTTP_TRANSFER_ENCODING="chunked") == b'{"a":1}'


LONG = str(1024 * 1024 + 1)


@pytest.mark.parametrize(
    ("environ", "body", "closed"),
    [
        ({}, b"", False),
        ({"CONTENT_LENGTH": "7"}, b'{"a":1}', False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, b'{"a":1}', False),
        ({"CONTENT_LENGTH": LONG}, b"", True),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, b" " * int(LONG), True),
        ({"CONTENT_LENGTH": "9"}, b"a", True),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": FORM}, b"a=1", True),
    ],
)
def test_a_connection_in_which_a_body_is_left_ends_and_says_so(door, environ, body, closed):
    headers = {}
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/absences", "CONTENT_TYPE": "application/json"} | environ
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    list(door(environ, lambda _line, told: headers.update(told)))
    assert headers.get("Connection") == ("close" if closed else None)


@pytest.mark.parametrize(
    ("environ", "status", "sentence"),
    [
        ({"CONTENT_LENGTH": "9"}, "400", "The body of the request is incomplete."),
        (
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": FORM},
            "411",
            "A form must announce its length (Content-Length).",
        ),
    ],
)
def test_a_refusal_is_told_in_the_callers_language(door, environ, status, sentence):
    started = []
    environ = {"HTTP_ACCEPT_LANGUAGE": "en", "REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/absences", **environ}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(b"a=1")
    body = b"".join(door(environ, lambda line, headers: started.append((line, dict(headers)))))
    line, headers = started[0]
    assert line.startswith(status)
    assert sentence.encode() in body
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
