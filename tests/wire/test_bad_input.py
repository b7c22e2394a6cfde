"""Contract 1.3, 1.7: every malformed request gets a 4xx in one of the error shapes, and changes nothing."""

from __future__ import annotations

import io
import json
from urllib.parse import quote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from absences.models import Absence
from agents.models import Agent, AgentRole, Organisation
from tests.factories import AbsenceFactory

FORM = "application/x-www-form-urlencoded"
VALID = {"title": "Congés", "first_day": "2026-12-01", "start_time": "09:00", "end_time": "10:00"}


def everything():
    """All that a request could change."""
    return [list(model.objects.order_by("pk").values()) for model in (Absence, Agent, AgentRole, Organisation)]


def check_shape(status, headers, body):
    """The error shapes of contract 1.7, and no other."""
    assert 400 <= status < 500, (status, body)
    assert headers["Content-Type"].startswith("application/json")
    document = json.loads(body)
    document.pop("hint", None)
    if document.get("errors") == [{"base": "unknown_version"}]:
        assert document.pop("versions")
    if "not_found" in document:
        assert status == 404
        assert set(document) == {"not_found"}
        return
    assert document.get("success", False) is False
    assert set(document) <= {"success", "errors", "error_messages"}
    assert document["errors"]
    assert isinstance(document["errors"], list | dict)
    assert all(isinstance(message, str) for message in document.get("error_messages", []))
    if status == 401:
        assert headers["WWW-Authenticate"].startswith("Bearer")
    if status == 405:
        assert headers["Allow"]


def multipart(value, name=b"title"):
    """A form of one field."""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--%b--\r\n' % (
        BOUNDARY.encode(),
        name,
        value,
        BOUNDARY.encode(),
    )


@pytest.fixture
def absence(cast):
    return AbsenceFactory(agent=cast.bruno)


@pytest.fixture
def refused(cast, sign_in, absence):
    """Sends what must be refused with `status`, as Martine, who may do everything to this absence; gives the body."""
    martine = sign_in(cast.martine)

    def send(status, verb, path, body="", content_type="application/json", **extra):
        path = path.format(absence=f"/api/v1/absences/{absence.pk}", mds=f"/api/v1/organisations/{cast.mds.pk}")
        before = everything()
        answer = martine.generic(verb, path, body, content_type=content_type, **extra)
        assert answer.status_code == status, answer.content
        check_shape(answer.status_code, answer.headers, answer.content)
        assert everything() == before
        return answer.json()

    return send


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}}",
        b"not json",
        b'{"title":}',
        b"{'title':'a'}",
        b'{"title":"a",}',
        b'{"title":NaN}',
        b'{"title":1e999}',
        b'{"title":"a\x01b"}',
        b'{"title":"\xff"}',
        b'{"title":"\\ud800"}',
        b'{"title":"\\u0000"}',
        b'{"\\u0000":"a"}',
        b'{"x":{"y":["\\u0000"]}}',
        b'\xef\xbb\xbf{"title":"a"}',
        '{"title":"Congés"}'.encode("latin-1"),
        '{"title":"Congés"}'.encode("utf-16"),
        b"[]",
        b'[{"title":"a"}]',
        b"null",
        b"true",
        b"1",
        b'"title"',
        b"\x00",
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"title":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"a":' * 10_000,
    ],
)
@pytest.mark.parametrize(
    ("verb", "path"),
    [("POST", "/api/v1/absences"), ("PUT", "{absence}"), ("PATCH", "{mds}"), ("DELETE", "{absence}")],
)
def test_a_body_that_is_no_json_object_is_400_whatever_the_verb(refused, verb, path, body):
    assert refused(400, verb, path, body)["errors"] == [{"base": "bad_request"}]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"title=%FF", FORM),
        (b"title=\xff", FORM),
        (b"title=a%00b", FORM),
        (b"%00=a", FORM),
        (b"title=%ED%A0%80", FORM),
        (b"nonsense", MULTIPART_CONTENT),
        (b"title=a", "multipart/form-data"),
        (b"title=a", "multipart/form-data; boundary="),
        (multipart(b"\xff"), MULTIPART_CONTENT),
        (multipart(b"a\x00b"), MULTIPART_CONTENT),
        (multipart(b"a", name=b"title\xff"), MULTIPART_CONTENT),
        (multipart(b"a", name=b'a"; filename="\xfe'), MULTIPART_CONTENT),
        (multipart(b"a")[:-6], MULTIPART_CONTENT),
        (multipart(b"a"), "multipart/form-data; boundary=autre"),
    ],
)
def test_a_form_that_cannot_be_read_is_400(refused, body, content_type):
    refused(400, "PUT", "{absence}", body, content_type)


@pytest.mark.parametrize(
    "query", ["title=%FF", "title=a%00b", "%00=a", "a=%ED%A0%80", "x=%C3", "&".join(["a=1"] * 1001)]
)
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/api/v1/absences"),
        ("GET", "{absence}"),
        ("PUT", "{absence}"),
        ("DELETE", "{absence}"),
        ("GET", "{mds}"),
    ],
)
def test_a_query_that_cannot_be_read_is_400_whatever_the_verb(refused, verb, path, query):
    refused(400, verb, f"{path}?{query}")


@pytest.mark.parametrize("end", ["%00", "%FF", "%C3%28", "%00abc", "%25FF"])
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_an_identifier_that_cannot_be_read_is_400(refused, verb, end):
    refused(400, verb, f"{{absence}}{end}")


@pytest.mark.parametrize(
    "id", ["9" * 30, "0", "-1", "inconnu", "%20", "é", "€", "%F0%9F%98%80", "9223372036854775808", "%0A"]
)
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("resource", ["absences", "organisations"])
def test_an_identifier_that_no_row_has_is_404(refused, verb, id, resource):
    if (verb, resource) == ("DELETE", "organisations"):
        refused(405, verb, f"/api/v1/{resource}/{id}")
    else:
        refused(404, verb, f"/api/v1/{resource}/{id}")


@pytest.mark.parametrize(
    "path", ["/api/v1/", "/api/v1", "/api/v1/%00", "/api/v1/%FF", "/api/v1/x", "/api/v1/absences/1/x"]
)
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_unknown_address_is_404(refused, verb, path):
    refused(404, verb, path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("first_day", "2021-02-30"),
        ("first_day", "0001-01-01"),
        ("first_day", "9999-12-31"),
        ("first_day", "0000-01-01"),
        ("first_day", "10000-01-01"),
        ("first_day", "hier"),
        ("first_day", 20261201),
        ("first_day", 1e300),
        ("first_day", ["2026-12-01"]),
        ("first_day", {"a": 1}),
        ("first_day", True),
        ("first_day", None),
        ("end_day", "2021-02-30"),
        ("end_day", "0001-01-01"),
        ("end_day", "9999-12-31"),
        ("end_day", []),
        ("start_time", "08h"),
        ("start_time", "8"),
        ("start_time", 8),
        ("start_time", "25:00"),
        ("start_time", "24:00"),
        ("start_time", "10:60"),
        ("start_time", "10:30Z"),
        ("start_time", "١٠:٣٠"),
        ("start_time", False),
        ("end_time", "9" * 10_000),
        ("title", ""),
        ("title", "   "),
        ("title", "a" * 256),
        ("title", ["a"]),
        ("title", {"a": "b"}),
        ("title", True),
        ("organisation_id", 10**30),
        ("organisation_id", "inconnu"),
        ("organisation_id", [1]),
        ("organisation_id", -1),
    ],
)
@pytest.mark.parametrize("verb", ["POST", "PATCH"])
def test_a_value_of_the_wrong_form_or_type_is_422(now, cast, refused, verb, name, value):
    path = "/api/v1/absences" if verb == "POST" else "{absence}"
    body = (VALID | {"agent_id": cast.bruno.pk} if verb == "POST" else {}) | {name: value}
    assert name in refused(422, verb, path, json.dumps(body))["errors"]


@pytest.mark.parametrize("agent", ["inconnu", 10**30, -1, 0, [1], {"id": 1}, True, 1e300, "9" * 30])
def test_an_agent_that_nobody_is_is_422(now, refused, agent):
    assert refused(422, "POST", "/api/v1/absences", json.dumps(VALID | {"agent_id": agent}))["errors"] == {
        "agent": [{"error": "blank"}]
    }


@pytest.mark.parametrize("email", ["personne@exemple.test", "BRUNO@exemple.test", ["bruno@exemple.test"], 1, {}, True])
def test_an_email_that_nobody_has_is_404(now, refused, email):
    body = json.dumps(VALID | {"agent_email": email})
    assert refused(404, "POST", "/api/v1/absences", body) == {"not_found": "agent"}


@pytest.mark.parametrize(
    "filter",
    [
        "from=hier",
        "to=2021-02-30",
        "from[]=2026-12-01",
        "starts_after=08h",
        "changed_since=0000-00-00",
        "title[]=a",
        "agent_email[]=a",
    ],
)
def test_a_filter_that_cannot_be_read_is_422(refused, filter):
    refused(422, "GET", f"/api/v1/absences?{filter}")


@pytest.mark.parametrize("host", ["ailleurs.test", "", "a b", "localhost,localhost", "[::1", "testserver:port", "é"])
def test_a_forged_host_is_400(refused, host):
    refused(400, "GET", "/api/v1/absences", headers={"Host": host})


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
def test_a_stranger_learns_nothing_and_changes_nothing(anonymous, absence, verb):
    before = everything()
    for path in ("/api/v1/absences", f"/api/v1/absences/{absence.pk}", "/api/v1/absences/999"):
        answer = anonymous.generic(verb, path, b"{", content_type="application/json")
        if answer.status_code != 405:
            assert answer.status_code == 401
            assert answer.json() == {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
    assert everything() == before


# And whatever nobody thought of: routes, verbs, headers, queries and bodies put together at random, at the door of the
# server itself. An exception that left it would be an empty 500.

ROUTES = [
    *("absences", "absences/{id}", "agents", "organisations", "organisations/{id}", "services", "me"),
    *("auth/sign_in", "auth/sign_out", "auth/validate_token", "auth/password", "auth/password/edit", "{id}"),
]
NAMES = [
    *("title", "first_day", "start_time", "end_day", "end_time", "agent_id", "agent_email", "organisation_id", "name"),
    *(
        "email",
        "password",
        "password_confirmation",
        "redirect_url",
        "reset_password_token",
        "phone_number",
        "verticale",
    ),
    *("page", "per", "from", "to", "starts_after", "changed_since", "service_id", "everywhere", "unbatch", "page[]"),
]
HEADERS = [
    *("access-token", "client", "uid", "Authorization", "X-Agent-Auth-Signature", "Accept", "Accept-Language"),
    *("Cookie", "Host", "If-None-Match", "Origin", "Transfer-Encoding", "X-Forwarded-For", "X-Request-Id"),
    *("Access-Control-Request-Method", "Access-Control-Request-Headers", "X-HTTP-Method-Override", "User-Agent"),
]
TYPES = ["application/json", FORM, MULTIPART_CONTENT, "text/plain", "", "multipart/form-data"]

odd = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "9" * 30,
        "inconnu",
        "2021-02-30",
        "0001-01-01",
        "08h",
        "null",
        "[]",
        "\x00",
        "é",
        "€",
        "\ud800",
    ]
)
text = odd | st.text(max_size=30)
# What a server hands over of a header: bytes read as Latin-1, without control characters.
header = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
values = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | text
documents = st.dictionaries(
    st.sampled_from(NAMES) | text,
    st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)),
    max_size=6,
)
bodies = documents.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=60)
requests = st.fixed_dictionaries(
    {
        "verb": st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]),
        "route": st.sampled_from(ROUTES),
        "id": st.sampled_from(["{absence}", "{mds}"]) | text,
        "suffix": st.sampled_from(["", "/", ".json", "//", "%00"]),
        "query": st.lists(st.tuples(st.sampled_from(NAMES) | text, text), max_size=4),
        "headers": st.dictionaries(st.sampled_from(HEADERS), header, max_size=4),
        "content_type": st.sampled_from(TYPES) | header,
        "body": bodies,
        "known": st.booleans(),
    }
)


def escape(part):
    return quote(part.encode("utf-8", "surrogatepass"), safe="")


def answer_of(request, door, triple, ids):
    """The status, headers and body that the server's door gives to `request`."""
    path = f"/api/v1/{request['route']}{request['suffix']}".format(id=ids.get(request["id"]) or escape(request["id"]))
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request["headers"].items()}
    known = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in triple.items()}
    environ = {
        "REQUEST_METHOD": request["verb"],
        # As PEP 3333 has it: percent-decoded bytes, read as Latin-1.
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": "&".join(f"{escape(name)}={escape(value)}" for name, value in request["query"]),
        "CONTENT_TYPE": request["content_type"],
        "CONTENT_LENGTH": str(len(request["body"])),
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "wsgi.input": io.BytesIO(request["body"]),
        **known,
        **fields,
    }
    setup_testing_defaults(environ)
    started = []
    response = door(environ, lambda status, headers: started.append((int(status[:3]), dict(headers))))
    body = b"".join(response)
    return *started[0], body


DEEP = {
    "verb": "POST",
    "route": "absences",
    "id": "",
    "suffix": "",
    "query": [],
    "headers": {},
    "content_type": "application/json",
    "body": b'{"title":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "known": True,
}


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests)
@example(request=DEEP)
@example(request=DEEP | {"body": b"{}", "content_type": "application/json; charset=hex"})
@example(request=DEEP | {"body": b"{}", "content_type": "application/json; x*=nonsense''y"})
def test_nothing_that_is_sent_makes_the_server_fail(cast, absence, sign_in, door, request):
    triple = sign_in(cast.martine).triple if request["known"] else {}
    before = everything()
    status, headers, body = answer_of(request, door, triple, {"{absence}": str(absence.pk), "{mds}": str(cast.mds.pk)})
    assert status < 500, body
    if status >= 400:
        if request["verb"] != "HEAD":
            check_shape(status, headers, body)
        assert everything() == before
