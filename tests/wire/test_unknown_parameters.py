"""Mistyped parameters are noticed (row P5): a header names them, and `Prefer: handling=strict` refuses them."""

import re
import string
import time
from urllib.parse import quote, unquote

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from absences.models import Absence
from agents.models import Agent, RecordEntry
from rdv.api.registry import operations
from rdv.api.unknown import HEADER, NAMES, Unknown, tell
from tests.factories import PASSWORD, AbsenceFactory

pytestmark = pytest.mark.usefixtures("now")

STRICT = {"Prefer": "handling=strict"}
GOOD = {"title": "Congés", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


# A List of Structured Fields (RFC 9651): Strings and Display Strings, with the three parameters that ours have.
_STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_DISPLAY = r'%"(?:[ !#$&-~]|%[0-9a-f]{2})*"'
_MEMBER = re.compile(rf"({_STRING}|{_DISPLAY})(;cut)?(;did-you-mean={_STRING})?(;more=\d+)?")
_LIST = re.compile(rf"{_MEMBER.pattern}(, {_MEMBER.pattern})*")


def read(header):
    """The names of the header, each with the nearest one, by the grammar of the RFC."""
    assert _LIST.fullmatch(header), header
    found = []
    for member in _MEMBER.finditer(header):
        name, nearest = member[1], (member[3] or "").removeprefix(";did-you-mean=").strip('"')
        text = unquote(name[2:-1]) if name.startswith("%") else re.sub(r"\\(.)", r"\1", name[1:-1])
        found.append((text, nearest or None))
    return found


def test_the_answer_is_as_ever_and_a_header_names_what_was_mistyped(cast, martine):
    AbsenceFactory(agent=cast.bruno)
    answer = martine.get("/api/v1/absences?agnet_id=1")
    assert answer.status_code == 200
    assert len(answer.json()["absences"]) == 1
    assert answer[HEADER] == '"agnet_id";did-you-mean="agent_id"'


def test_known_parameters_are_not_told(martine):
    more = "sort=title&order=asc&q=a&fields=id&expand=agent.services"
    path = f"/api/v1/absences?agent_id=1&page=1&per=2&prettify=1&{more}"
    assert HEADER not in martine.get(path)
    assert HEADER not in martine.get("/api/v1/absences?from=2026-01-01&to=2026-01-02&title=x&cursor=")
    assert martine.get(path, headers=STRICT).status_code == 200


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("titel=x", [("titel", "title")]),
        ("TITLE=x", [("TITLE", "title")]),
        ("agnet_id[]=1", [("agnet_id", "agent_id")]),
        ("zzz=1", [("zzz", None)]),
        ("a%22b%5Cc=1", [('a"b\\c', None)]),
        ("%C3%A9t%C3%A9=1", [("été", None)]),
        ("x%0D%0ASet-Cookie:%20a=1", [("x\r\nSet-Cookie: a", None)]),
        ("%F0%9F%8C%BB%25%22=1", [('🌻%"', None)]),
        ("=1", [("", None)]),
        ("pk=1&page=2", [("pk", None)]),
        ("zzz=1&zzz=2&yyy=1", [("zzz", None), ("yyy", None)]),
    ],
)
def test_names_are_told_as_they_were_sent(martine, query, told):
    answer = martine.get(f"/api/v1/absences?{query}")
    assert answer.status_code == 200
    names = read(answer[HEADER])
    assert [(name, nearest if nearest != "per" else None) for name, nearest in names] == told


@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=300), min_size=1, max_size=20, unique=True
    )
)
def test_whatever_was_sent_the_header_is_short_and_can_be_read(names):
    known = frozenset({"agent_id", "title"})
    unknown, more = Unknown.among(names, known)
    answer = HttpResponse()
    if not unknown:
        return
    tell(answer, unknown, more)
    header = answer[HEADER]
    assert header.isascii()
    assert header.isprintable()
    assert len(header) < 1000
    told = read(header)
    strange = [name for name in names if name not in known]
    assert len(told) == min(len(strange), NAMES)
    for name, (shown, nearest) in zip(strange, told, strict=False):
        assert name.startswith(shown)
        assert nearest in (None, *known)


def test_of_many_the_first_are_told_and_how_many_more(martine):
    query = "&".join(f"inconnu{letter}=1" for letter in string.ascii_lowercase)
    header = martine.get(f"/api/v1/absences?{query}")[HEADER]
    assert [name for name, _nearest in read(header)] == [f"inconnu{letter}" for letter in "abcde"]
    assert header.endswith(";more=21")


def test_a_body_with_a_hundred_thousand_names_is_told_of_as_quickly(martine, cast):
    body = GOOD | {"agent_id": cast.bruno.pk} | {f"n{number}": 1 for number in range(50_000)}
    answer = martine.post("/api/v1/absences", body)
    assert answer.status_code == 200
    assert len(answer[HEADER]) < 1000


@pytest.mark.parametrize("content_type", ["application/json", FORM])
def test_keys_of_a_body_are_noticed_too(cast, martine, content_type):
    body = '{"titel":"x"}' if content_type == "application/json" else "titel=x"
    absence = AbsenceFactory(agent=cast.bruno)
    answer = martine.patch(f"/api/v1/absences/{absence.pk}?raison=x", body, content_type)
    assert answer.status_code == 200
    assert read(answer[HEADER]) == [("titel", "title"), ("raison", "reason")]


def test_errors_name_them_as_well(cast, martine):
    answer = martine.post("/api/v1/absences", {"agent_id": cast.bruno.pk, "first_dya": "2026-12-01"})
    assert answer.status_code == 422
    assert read(answer[HEADER]) == [("first_dya", "first_day")]


def test_who_prefers_it_is_refused_before_anything_is_done(cast, martine):
    entries = RecordEntry.objects.count()
    body = GOOD | {"agent_id": cast.bruno.pk, "titel": "x", "zzz": 1}
    answer = martine.post("/api/v1/absences", body, headers=STRICT)
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "errors": [
            {"base": "unknown_parameter", "parameter": "titel", "did_you_mean": "title"},
            {"base": "unknown_parameter", "parameter": "zzz"},
        ],
        "error_messages": [
            "titel n'est pas un paramètre connu. Vouliez-vous dire title ?",
            "zzz n'est pas un paramètre connu.",
        ],
    }
    assert answer["Preference-Applied"] == "handling=strict"
    assert not Absence.objects.exists()
    assert RecordEntry.objects.count() == entries


def test_a_good_request_is_done_and_the_preference_told(cast, martine):
    headers = {"Prefer": "handling=strict, return=representation"}
    answer = martine.post("/api/v1/absences", GOOD | {"agent_id": cast.bruno.pk}, headers=headers)
    assert answer.status_code == 200
    assert set(answer["Preference-Applied"].split(", ")) == {"handling=strict", "return=representation"}
    assert "Prefer" in answer["Vary"]


def test_a_refused_try_does_not_use_its_key_up(cast, martine):
    headers = STRICT | {"Idempotency-Key": "b1d0e0a4-1f0e-4b8e-9d55-0d6ad1a0c1de"}
    body = GOOD | {"agent_id": cast.bruno.pk}
    assert martine.post("/api/v1/absences", body | {"titel": "x"}, headers=headers).status_code == 400
    answers = [martine.post("/api/v1/absences", body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer["Preference-Applied"] for answer in answers} == {"handling=strict"}
    assert Absence.objects.count() == 1


def test_lenient_is_what_it_is_anyway(martine):
    answer = martine.get("/api/v1/absences?agnet_id=1", headers={"Prefer": "handling=lenient"})
    assert answer.status_code == 200
    assert answer["Preference-Applied"] == "handling=lenient"


@pytest.mark.parametrize("prefer", ["handling=severe", "handling", "return=minimal", ";;", "strict"])
def test_any_other_preference_is_not_this_one(martine, prefer):
    answer = martine.get("/api/v1/absences?agnet_id=1", headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer


def test_as_a_problem_and_in_english(martine):
    headers = STRICT | {"Accept": "application/problem+json", "Accept-Language": "en"}
    answer = martine.get("/api/v1/absences?agnet_id=1", headers=headers)
    assert answer.status_code == 400
    shown = answer.json()
    assert shown["code"] == "unknown_parameter"
    assert shown["detail"] == "agnet_id is not a known parameter. Did you mean agent_id?"
    assert shown["errors"] == [
        {"parameter": "agnet_id", "did_you_mean": "agent_id", "code": "unknown_parameter", "detail": shown["detail"]}
    ]


def test_nobody_unknown_is_told_anything(anonymous, db):
    answer = anonymous.get("/api/v1/absences?agnet_id=1", headers=STRICT)
    assert answer.status_code == 401
    assert HEADER not in answer


def test_a_sign_in_too(cast, anonymous):
    body = {"email": cast.martine.email, "password": PASSWORD, "pasword": "x"}
    assert read(anonymous.post("/api/v1/auth/sign_in", body)[HEADER]) == [("pasword", "password")]
    assert anonymous.post("/api/v1/auth/sign_in", body, headers=STRICT).status_code == 400
    assert Agent.objects.get(pk=cast.martine.pk).tokens.count() == 1


def test_a_key_in_the_address_is_known_where_it_is_allowed(cast, martine, settings):
    settings.RDV_KEY_IN_ADDRESS = False
    assert read(martine.get("/api/v1/agents?api_key=")[HEADER]) == [("api_key", None)]
    settings.RDV_KEY_IN_ADDRESS = True
    assert HEADER not in martine.get("/api/v1/agents?api_key=")


def test_every_operation_of_the_registry_notices(cast, martine):
    """Each at its address, with a name that is near to nothing."""
    absence = AbsenceFactory(agent=cast.bruno)
    for operation in operations().values():
        if operation.id in ("auth.sign_out", "token.delete"):
            continue  # it would end what asks
        path = operation.path.replace("{id}", str(absence.pk))
        answer = martine.generic(operation.method, f"{path}?{quote('zzz qqq')}=1")
        assert answer.status_code < 500, operation.id
        assert [name for name, _nearest in read(answer[HEADER])] == ["zzz qqq"], operation.id


def test_a_request_with_known_parameters_alone_costs_no_query_more(cast, martine):
    AbsenceFactory(agent=cast.bruno)
    for path in ("absences?page=1", "absences?agnet_id=1"):
        with CaptureQueriesContext(connection) as queries:
            martine.get(f"/api/v1/{path}")
        assert len(queries) == 3


def test_a_name_of_a_megabyte_is_cut_before_it_is_written():
    started = time.process_time()
    assert Unknown("é" * 1_000_000, None).item().endswith(";cut")
    assert time.process_time() - started < 0.2  # seconds, when the whole of it is written: six
