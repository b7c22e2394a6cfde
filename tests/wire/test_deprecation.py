"""Nothing vanishes unannounced (P2): what a deprecated route, action, parameter or field tells, and to whom."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import include, path
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from rdv.api.deprecation import announce, declarations, declared_by, deprecated
from rdv.api.urls import address
from rdv.api.versioning import VERSIONS
from rdv.api.views import WireView
from tests.factories import AbsenceFactory

SINCE, SUNSET = datetime.date(2026, 11, 1), datetime.date(2027, 5, 3)
TOLD = {"Deprecation": "@1793491200", "Sunset": "Mon, 03 May 2027 00:00:00 GMT"}
PAGE = "https://rdv.agence.example/fin"


class Open(WireView):
    """For these tests alone."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


@deprecated(SINCE, sunset=SUNSET, link=PAGE)
class Old(Open):
    def get(self, request):
        return Response({"a": 1})


class Mixed(Open):
    def get(self, request, pk=None):
        return Response({"a": 1})

    @deprecated(SINCE)
    def post(self, request, pk=None):
        return Response({"a": 1}, headers={"Link": '<http://testserver/2>; rel="next"'})

    @deprecated(SINCE, sunset=SUNSET, parameter="wide")
    @deprecated(datetime.date(2026, 6, 1), link=PAGE, field="old")
    def put(self, request, pk=None):
        return Response({"row": {"old": 1, "new": 2} if "old" in self.params else {"new": 2}})


class Newer(Mixed):
    """The same action, anew; and a list."""

    @deprecated(SINCE, field="old")
    def get(self, request):
        return Response({"rows": [{"old": 1, "new": 2}] if "all" in self.params else [], "meta": {}})

    def post(self, request, pk=None):
        return Response({"a": 2})


urlpatterns = [
    path("api/v1/", include([address("old", Old.as_view()), address("mixed/<pk>", Mixed.as_view())])),
    path("api/v1/", include([address("newer", Newer.as_view())])),
]


@pytest.fixture(autouse=True)
def _their_addresses(settings):
    settings.ROOT_URLCONF = __name__


def told(answer):
    return {name: answer[name] for name in ("Deprecation", "Sunset", "Link") if name in answer}


def link(page=None):
    return f'<{page or "http://testserver/versions"}>; rel="deprecation"; type="text/html"'


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_a_route_tells_with_dates_and_a_page(anonymous, verb):
    assert told(anonymous.generic(verb, "/api/v1/old")) == TOLD | {"Link": link(PAGE)}


def test_the_304_of_a_route_tells_too(anonymous):
    known = {"If-None-Match": anonymous.get("/api/v1/old")["ETag"]}
    answer = anonymous.get("/api/v1/old", headers=known)
    assert answer.status_code == 304
    assert told(answer) == TOLD | {"Link": link(PAGE)}


def test_an_action_tells_beside_the_pages_of_a_list_and_the_others_do_not(anonymous):
    answer = anonymous.post("/api/v1/mixed/1")
    assert told(answer) == {
        "Deprecation": TOLD["Deprecation"],
        "Link": f'<http://testserver/2>; rel="next", {link()}',
    }
    assert told(anonymous.get("/api/v1/mixed/1")) == {}
    assert told(anonymous.delete("/api/v1/mixed/1")) == {}


def test_an_error_of_an_action_tells_as_well(anonymous, monkeypatch):
    monkeypatch.setattr(Mixed, "post", deprecated(SINCE)(lambda self, request, pk: 1 / 0))
    declared_by.cache_clear()
    answer = anonymous.post("/api/v1/mixed/1", headers={"Accept": "application/problem+json"})
    assert answer.status_code == 500
    assert told(answer)["Deprecation"] == TOLD["Deprecation"]
    declared_by.cache_clear()


def test_a_parameter_is_told_to_whoever_sends_it(anonymous):
    for sent in ({"wide": 1}, {"wide": None}):
        assert told(anonymous.put("/api/v1/mixed/1", sent)) == TOLD | {"Link": link()}
    assert told(anonymous.put("/api/v1/mixed/1?wide=", {})) == TOLD | {"Link": link()}
    assert told(anonymous.put("/api/v1/mixed/1", {"narrow": 1})) == {}


def test_a_field_is_told_where_it_is_shown(anonymous):
    assert told(anonymous.put("/api/v1/mixed/1", {"old": 1})) == {"Deprecation": "@1780272000", "Link": link(PAGE)}
    assert told(anonymous.put("/api/v1/mixed/1", {})) == {}


def test_of_several_the_first_to_end_counts_and_each_has_its_page(anonymous):
    answer = anonymous.put("/api/v1/mixed/1", {"old": 1, "wide": 1})
    assert told(answer) == {
        "Deprecation": "@1780272000",
        "Sunset": TOLD["Sunset"],
        "Link": f"{link(PAGE)}, {link()}",
    }


def test_a_view_that_says_an_action_anew_is_not_deprecated_by_the_one_before(anonymous):
    assert told(anonymous.post("/api/v1/newer")) == {}
    assert told(anonymous.put("/api/v1/newer", {"wide": 1})) == TOLD | {"Link": link()}


def test_a_field_of_a_list_is_told_with_its_rows(anonymous):
    assert told(anonymous.get("/api/v1/newer?all=1"))["Deprecation"] == TOLD["Deprecation"]
    assert told(anonymous.get("/api/v1/newer")) == {}


def test_a_browser_may_read_it_from_another_origin(anonymous):
    answer = anonymous.get("/api/v1/old", headers={"Origin": "https://app.test"})
    assert {"Deprecation", "Sunset", "Link"} <= set(answer["Access-Control-Expose-Headers"].split(", "))


def test_the_table_is_made_of_the_declarations():
    whole = {"parameter": None, "field": None, "since": "2026-11-01", "sunset": None, "link": "/versions"}
    assert list(declarations("api/v1/")) == [
        whole | {"method": "GET", "route": "old", "sunset": "2027-05-03", "link": PAGE},
        whole | {"method": "POST", "route": "mixed/<pk>"},
        whole | {"method": "PUT", "route": "mixed/<pk>", "field": "old", "since": "2026-06-01", "link": PAGE},
        whole | {"method": "PUT", "route": "mixed/<pk>", "parameter": "wide", "sunset": "2027-05-03"},
        whole | {"method": "GET", "route": "newer", "field": "old"},
        whole | {"method": "PUT", "route": "newer", "field": "old", "since": "2026-06-01", "link": PAGE},
        whole | {"method": "PUT", "route": "newer", "parameter": "wide", "sunset": "2027-05-03"},
    ]


def test_nothing_ends_before_it_is_announced():
    with pytest.raises(ValueError, match="announced"):
        deprecated(SUNSET, sunset=SINCE)


def test_an_answer_to_which_nothing_was_noted_is_left_as_it_is():
    answer = HttpResponse()
    before = dict(answer.headers)
    announce(RequestFactory().get("/"), answer)
    assert dict(answer.headers) == before


def test_the_lists_of_today_tell_nothing(cast, sign_in, settings):
    settings.ROOT_URLCONF = "rdv.urls"
    AbsenceFactory(agent=cast.bruno)
    assert set(told(sign_in(cast.martine).get("/api/v1/absences"))) == {"Link"}


def _documented(heading):
    """The rows of a table of docs/versions.md."""
    page = (Path(django_settings.ROOT) / "docs" / "versions.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    (text,) = [one for one in section if one.startswith(heading)]
    _heading, *rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row.strip("| ").split(" | ") for row in rows]


def test_the_table_of_versions_in_the_docs_is_that_of_the_code():
    assert _documented("Versions") == [
        [
            one.number,
            one.state,
            f"`{one.path}`",
            one.since.isoformat(),
            one.deprecated_on.isoformat() if one.deprecated_on else "not announced",
            one.sunset_on.isoformat() if one.sunset_on else "not announced",
        ]
        for one in VERSIONS
    ]


def test_the_table_of_what_will_end_in_the_docs_is_that_of_the_code(settings):
    settings.ROOT_URLCONF = "rdv.urls"
    told = [
        [
            f"`{one['method']} {version.path}{one['route']}`",
            f"`{one['parameter'] or one['field']}`" if one["parameter"] or one["field"] else "all of it",
            one["since"],
            one["sunset"] or "not announced",
            one["link"],
        ]
        for version in VERSIONS
        for one in version.deprecations()
    ]
    assert _documented("What will end") == (told or [["nothing today", "-", "-", "-", "-"]])
