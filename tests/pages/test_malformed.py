"""No request, however malformed, is answered 500 by a page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import AccessKey, FirstSecret

from .conftest import ACTIVITY, KEYS, NEW_KEY, SIGN_IN, choices, signed_in

pytestmark = pytest.mark.django_db

FIRST = "/premier-administrateur"
CALENDARS = ("/calendriers", "/calendriers/nouveau")
PAGES = (KEYS, NEW_KEY, *CALENDARS, ACTIVITY, SIGN_IN, FIRST, "/deconnexion/partout", "/langue", "/")
FORMS = (NEW_KEY, CALENDARS[1], SIGN_IN, FIRST, "/langue", "/deconnexion/partout", "/deconnexion")
NAMES = st.sampled_from(
    [
        *("name", "note", "end", "end_day", "access", "which_resources", "resources", "which_organisations"),
        *("organisations", "once", "username", "password", "next", "language", "secret", "email", "password1"),
        *("password2", "keys", "page", "since", "until"),
        *("whose", "agent_email", "service", "organisation", "privacy", "days_back", "days_ahead", "kinds", "holidays"),
    ]
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "\x00", "a\x00b", "\ud800", "9" * 400, "-1", "1e400", "0001-01-01", "9999-12-31", "//x", "all", "chosen",
         "date", "never", "١٢", "²", "x" * 70_000]  # digits that are none of ours
    ),
)  # fmt: skip
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sendable(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    return sent


@QUICK
@given(page=st.sampled_from(PAGES), pairs=st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_no_address_breaks_a_page(cast: SimpleNamespace, page: str, pairs: list[tuple[str, str]]) -> None:
    FirstSecret.objects.issue()
    for client in (signed_in(cast.martine), Client(raise_request_exception=False)):
        assert client.get(page, sendable(pairs)).status_code < 500


@QUICK
@given(page=st.sampled_from(FORMS), pairs=st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_no_form_breaks_a_page(cast: SimpleNamespace, page: str, pairs: list[tuple[str, str]]) -> None:
    FirstSecret.objects.issue()
    client = signed_in(cast.martine)
    usual = choices(client) if page in (NEW_KEY, CALENDARS[1]) else {}
    assert client.post(page, usual | sendable(pairs)).status_code < 500


BODIES = {
    "no form at all": (b"\xff\xfe", "application/octet-stream"),
    "JSON": (b'{"name": "Nuit"}', "application/json"),
    "a form that is cut": (b"--x\r\nContent-Disposition: form-data; name=", "multipart/form-data; boundary=x"),
    "a form without boundary": (b"name=Nuit", "multipart/form-data"),
    "not UTF-8": (b"name=%ff%fe&once=%ff", "application/x-www-form-urlencoded"),
    "another encoding": (b"name=%ff%fe", "application/x-www-form-urlencoded; charset=utf-16"),
    "an encoding that is none": (b"name=x", "application/x-www-form-urlencoded; charset=zut"),
    "too many fields": (b"&".join(b"a=1" for _ in range(2000)), "application/x-www-form-urlencoded"),
    "too long": (b"name=" + b"x" * 2_000_000, "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("page", [NEW_KEY, SIGN_IN, FIRST, "/langue", "/deconnexion/partout"])
@pytest.mark.parametrize("body", BODIES)
def test_no_body_breaks_a_page(cast: SimpleNamespace, page: str, body: str) -> None:
    FirstSecret.objects.issue()
    content, kind = BODIES[body]
    client: Any = signed_in(cast.martine)
    assert client.generic("POST", page, content, kind).status_code < 500
    strict: Any = signed_in(cast.martine, enforce_csrf_checks=True)
    assert strict.generic("POST", page, content, kind).status_code < 500
    assert not AccessKey.objects.exists()


def test_a_file_is_no_text(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine)
    form = choices(client)
    for name in ("name", "once", "end"):
        sent = form | {name: SimpleUploadedFile("x.txt", b"Nuit")}
        assert client.post(NEW_KEY, sent).status_code < 500
    assert not AccessKey.objects.exists()


@pytest.mark.parametrize("path", ["/cles/1/zut", "/cles/-1/supprimer", "/cles/x/supprimer", "/cles/", "/connexion/"])
def test_an_address_that_leads_nowhere_is_not_found(cast: SimpleNamespace, path: str) -> None:
    assert signed_in(cast.martine).get(path).status_code == 404


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "ZUT"])
@pytest.mark.parametrize("page", [KEYS, NEW_KEY, SIGN_IN, "/deconnexion", "/cles/1/supprimer", "/langue"])
def test_another_verb_does_nothing(cast: SimpleNamespace, page: str, verb: str) -> None:
    key, _secret = AccessKey.make(cast.martine, name="Nuit")
    client: Any = signed_in(cast.martine)
    assert client.generic(verb, page.replace("1", str(key.pk))).status_code < 500
    assert AccessKey.objects.count() == 1
    assert client.get(KEYS).status_code == 200
