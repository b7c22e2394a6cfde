"""Whatever is sent to the real server, it answers in time, in a shape of the contract, and lets nothing slip.

Requests are drawn from a seed and a number: `Request(7, 1234)` is the same for ever, to be sent again when it failed.
"""

from __future__ import annotations

import json
import random
import re
import socket
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from rdv.api.errors import PROBLEM
from rdv.api.middleware import FIXED_HEADERS
from tests.server import ROOT, Server
from tests.server import server as server
from tests.wire.test_bad_input import check_shape

pytestmark = pytest.mark.live

SEED = 20261116
AT_ONCE = 4  # few enough that nobody is turned away
SLOW = 2.0  # seconds: counted, since other work of the machine may be the cause
HANG = 30.0  # seconds: no work of the machine explains this
PASSWORD = "Rendez-vous 2026 !"
UNSEEN = "hors-de-vue"  # in every text of an organisation that Martine does not see

# What no answer may hold: traces, paths, statements.
LEAKS = re.compile(
    rb'Traceback|File "|site-packages|SELECT .{0,500} FROM|INSERT INTO|UPDATE "|DELETE FROM|psycopg|sqlite3\.'
    rb"|OperationalError|IntegrityError|ProgrammingError|DataError|0x[0-9a-f]{12}|" + re.escape(str(ROOT).encode())
)

WORLD = """
import json
from django.contrib.auth.models import Permission
from django.test.utils import override_settings
from absences.models import Absence
from agents.models import *
mark, unseen, password = {mark!r}, {unseen!r}, {password!r}
made = dict()
for name, says in (("paris", mark), ("nord", unseen)):
    territory = Territory.objects.create(name=f"{{name}} {{says}} {{mark}}")
    organisation = Organisation.objects.create(name=f"MDS {{says}} {{mark}}", territory=territory)
    service = Service.objects.create(name=f"Service {{says}} {{mark}}", short_name=f"S {{says}} {{mark}}")
    people = []
    for number, level in enumerate(("admin", "basic", "basic")):
        agent = Agent(email=f"{{name}}{{number}}-{{says}}-{{mark}}@exemple.test", first_name=says, last_name=says)
        agent.set_password(password) if (name, number) == ("paris", 0) else agent.set_unusable_password()
        agent.save()
        agent.services.add(service)
        AgentRole.objects.create(agent=agent, organisation=organisation, access_level=level)
        people.append(agent)
    absences = [
        Absence.objects.create(agent=agent, title=f"Congés {{says}}", first_day=f"2026-12-{{day:02}}",
            end_day=f"2026-12-{{day:02}}", start_time="09:00", end_time="12:00")
        for agent in people for day in (1, 15)
    ]
    ClientToken.objects.issue(people[1])
    made[name] = dict(
        territory=territory.pk, organisation=organisation.pk, service=service.pk, email=people[0].email,
        agents=[agent.pk for agent in people], absences=[absence.pk for absence in absences],
        emails=[agent.email for agent in people],
    )
made["superuser"] = Agent.objects.create_superuser(f"racine-{{mark}}@exemple.test", password).email
viewer = Agent.objects.create_user(f"lecture-{{mark}}@exemple.test", password, is_staff=True)
viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
made["viewer"] = viewer.email
"""

# Each row of the directory and of the absences, as text; `sight` keeps those of one organisation and of its agents.
ROWS = """
import json
from django.apps import apps
sight = SIGHT
def mine(row):
    return not sight or row.get("agent_id") in sight["agents"] or row.get("organisation_id") == sight["organisation"]
kept = {}
for app in ("agents", "absences"):
    for model in apps.get_app_config(app).get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            rows = [row for row in model.objects.order_by("pk").values() if "last_login" in row or mine(row)]
            key = model._meta.label
            rows = [row for row in rows if row.get("action") != "sign_in_failed"]  # a stranger's too is told
            if key == "agents.Agent":
                for row in rows: row.pop("last_login")
                rows = [row for row in rows if not sight or row["id"] in sight["agents"]]
            kept[key] = [str(row) for row in rows]
print(json.dumps(kept))
"""


def made_world(server: Server) -> SimpleNamespace:
    """Two organisations that do not see each other, with three agents and six absences each; two administrators."""
    mark = uuid.uuid4().hex[:8]
    code = WORLD.format(mark=mark, unseen=UNSEEN, password=PASSWORD) + "print(json.dumps(made))"
    return SimpleNamespace(**json.loads(server.manage("shell", "--no-imports", "-c", code)))


def rows(server: Server, sight: dict[str, Any] | None = None) -> dict[str, list[str]]:
    code = ROWS.replace("SIGHT", repr(sight))
    kept: dict[str, list[str]] = json.loads(server.manage("shell", "--no-imports", "-c", code))
    return kept


# What is sent.

ROUTES = [
    *("absences", "absences", "absences/{absence}", "absences/{absence}", "absences/{id}", "agents", "agents/{id}"),
    *(
        "organisations",
        "organisations/{organisation}",
        "organisations/{id}",
        "services",
        "me",
        "{id}",
        "absences/{id}/x",
    ),
    *("auth/sign_in", "auth/sign_out", "auth/validate_token", "auth/password", "auth/password/edit", ""),
]
METHODS = [
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "Post", "CONNECT"),
    *("A" * 300, "!#$%&'*+-.^_`|~"),
]
SERVED = [  # most of what is sent reaches something
    *[("GET", "absences"), ("POST", "absences")] * 4,
    *[("GET", "absences/{absence}"), ("PUT", "absences/{absence}"), ("PATCH", "absences/{absence}")] * 2,
    *(("DELETE", "absences/{absence}"), ("PATCH", "absences/{id}"), ("HEAD", "absences"), ("OPTIONS", "absences")),
    *(("GET", "agents"), ("GET", "services"), ("GET", "me"), ("GET", "organisations")),
    *(
        ("GET", "organisations/{organisation}"),
        ("PUT", "organisations/{organisation}"),
        ("PATCH", "organisations/{id}"),
    ),
    *(("POST", "auth/sign_in"), ("DELETE", "auth/sign_out"), ("GET", "auth/validate_token"), ("POST", "auth/password")),
    *(("GET", "auth/password/edit"), ("PUT", "auth/password")),
]
NAMES = [
    *("title", "first_day", "start_time", "end_day", "end_time", "agent_id", "agent_email", "organisation_id", "name"),
    *("email", "password", "password_confirmation", "redirect_url", "reset_password_token", "phone_number", "id"),
    *("verticale", "external_id", "page", "per", "from", "to", "starts_after", "starts_before", "changed_since"),
    *("service_id", "everywhere", "unbatch", "config_name", "access-token", "uid", "client", "after", "sort", "search"),
]
HOSTILE = [
    *("", " ", "\t\r\n", "0", "-1", "-0", "1e309", "NaN", "9" * 19, "9" * 40, "9" * 5000, "0x10", "१२", "1.5", "+1"),
    *("\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "é", "e\u0301" * 50, "🦆", "ﷺ" * 400, "İ", "ß"),
    *(
        "null",
        "None",
        "true",
        "[]",
        "{}",
        "[[",
        "__all__",
        "__class__",
        "id__gt",
        "agent__password",
        "../../etc/passwd",
    ),
    *("' OR 1=1 --", '"; DROP TABLE absences_absence', "%", "%%", "%s", "%(x)s", "{0}", "{x.__class__}", "${7*7}"),
    *(
        "<script>alert(1)</script>",
        "a" * 255,
        "a" * 256,
        "a" * 20_000,
        "\\",
        "_%\\",
        "[",
        "(?:a+)+$",
        "\x1b[31m",
        "\x7f",
    ),
    *("0000-00-00", "2021-02-30", "10000-01-01", "9999-12-31", "0001-01-01", "1969-12-31T23:59:60Z", "2026-W01-1"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-03-29T02:30:00", "24:00", "08h", "99:99", ":"),
    *("javascript:alert(1)", "//ailleurs.test", "http://[::1", "http://[ailleurs", "http://127.0.0.1:99999999/", "@"),
]
RIGHT = {
    "title": ["Congés", "Formation 🦆", "RTT"],
    "first_day": ["2026-12-23", "2027-01-04", "2026-12-01"],
    "end_day": ["2026-12-23", "2027-01-05"],
    "start_time": ["08:00", "09:30:00"],
    "end_time": ["18:00", "12:00"],
    "name": ["Maison des solidarités", "MDS"],
    "phone_number": ["0145678910", "+33145678910"],
    "verticale": ["rdv_insertion", "rdv_solidarites"],
    "email": ["personne@exemple.test"],
    "password": [PASSWORD + "?"],
    "redirect_url": ["http://127.0.0.1/retour", "https://ailleurs.test"],
    "reset_password_token": ["1-abc-def", "999-", "-"],
    "page": ["1", "2", "9"],
    "from": ["2026-12-01"],
    "to": ["2026-12-31", "2026-12-31T10:00:00"],
    "everywhere": ["false"],
}
STARTS = [*["/api/v1"] * 6, "/api/1", "/api/latest", "/api", "/api/v2"]
LETTERS = "abcé€🦆 '\"<>&;=?#/\\%+\t\x00\x01\x1f\x7f\x85\u2028\ud800"
FORM = "application/x-www-form-urlencoded"
TYPES = [
    *["application/json"] * 6,
    *(FORM, FORM, "multipart/form-data; boundary=limite", "multipart/form-data", 'multipart/form-data; boundary="'),
    *("application/json; charset=hex", "application/json; charset=utf-7", "application/json; charset=latin-1"),
    *("APPLICATION/JSON", "application/json;x*=nonsense''y", "text/plain", "text/xml", "application/vnd.api+json"),
    *("image/png", "", "/", ";", "application/", "a" * 500, "application/x-www-form-urlencoded; charset=utf-16"),
]
ODD_HEADERS: dict[str, list[str]] = {
    "Accept": [
        *("text/html", "*/*;q=0", "application/xml", "é", "application/json; version=9", "," * 500),
        *("application/problem+json", "application/problem+json;q=é, */*;q=0.1"),
    ],
    "Accept-Language": [
        "en",
        "en-GB;q=0.1, fr",
        "*",
        "xx-" + "a" * 300,
        ";q=",
        "é",
        "fr;q=nan",
        ", ," * 200,
        "zh-hant",
    ],
    "Accept-Encoding": ["gzip", "br;q=1e9", "identity;q=0", "*"],
    "Accept-Charset": ["utf-7", "x"],
    "Range": ["bytes=0-10", "bytes=-1", "bytes=9-1,a", "lines=1", "bytes=" + "0-," * 1000],
    "If-None-Match": ["*", 'W/"0"', '"', 'W/"' + "0" * 32 + '"', "," * 2000, '"a", W/"b" c'],
    "If-Match": ["*", '"x"', 'W/"'],
    "If-Modified-Since": ["Sun, 06 Nov 1994 08:49:37 GMT", "hier", "Sun, 99 Nov 99999 99:99:99 GMT"],
    "If-Unmodified-Since": ["Sun, 06 Nov 1994 08:49:37 GMT", "hier"],
    "X-Request-Id": ["x", "0" * 32, "00000000-0000-0000-0000-000000000000", "é", "{" + "0" * 32 + "}", "urn:uuid:" * 9],
    "Expect": ["100-continue", "200-ok"],
    "Host": [
        "ailleurs.test",
        "",
        "127.0.0.1:99999999",
        "[::1",
        "a b",
        "127.0.0.1,127.0.0.1",
        "é",
        "127.0.0.1@x",
        "%00",
    ],
    "Forwarded": ["for=1.2.3.4;host=ailleurs.test;proto=https", '"'],
    "X-Forwarded-For": ["1.2.3.4", "nulle part, 1.2.3.4", "::1", "é", "1," * 1000],
    "X-Forwarded-Host": ["ailleurs.test", "é"],
    "X-Forwarded-Proto": ["https", "x"],
    "X-HTTP-Method-Override": ["DELETE"],
    "Origin": ["https://ailleurs.test", "null", "é", "http://[::1"],
    "Access-Control-Request-Method": ["PUT", "é", "DELETE"],
    "Access-Control-Request-Headers": ["access-token, x", "é", "\t", "a" * 4000],
    "Cookie": ["sessionid=x", "csrftoken=" + "a" * 64, "django_language=en", "a" * 4000, ";;=;", "é=é"],
    "Referer": ["http://127.0.0.1/", "http://[::1", "é"],
    "User-Agent": ["", "é", "a" * 4000],
    "Authorization": ["Bearer", "Bearer é", "Basic YTpi", "Bearer bnVsbA==", "Bearer e30=", "Bearer " + "A" * 4000],
    "X-Agent-Auth-Signature": ["", "0" * 64, "é"],
    "X-API-Version": ["1", "99", "latest", "3.14", "é", "", "1" * 4000],
    "Upgrade": ["websocket", "h2c"],
    "Connection": ["close", "Upgrade", "keep-alive, content-length"],
    "Content-Encoding": ["gzip", "x"],
    "Transfer-Encoding": ["chunked"],
    "uid": ["", "é", "personne@exemple.test", "a" * 4000],
    "client": ["", "é", "default"],
    "access-token": ["", "é", "x", "a" * 22],
    "access_token": ["x"],
    "Prefer": ["return=minimal"],
    "Idempotency-Key": ["é", "a" * 1000],
}


class Request:
    """The request that `seed` and `number` stand for: the bytes, and what its answer is to be held against."""

    def __init__(self, seed: int, number: int, world: SimpleNamespace, credential: dict[str, str] | None) -> None:
        self.chance = random.Random(f"{seed}/{number}")
        self.world = world
        self.method, self.route = self.chance.choice(METHODS), self.chance.choice(ROUTES)
        if self.chance.random() < 0.75:
            self.method, self.route = self.chance.choice(SERVED)
        self.credential = credential if credential and self.chance.random() < 0.95 else None
        self.headers = {"Host": "127.0.0.1", **(self.credential or {})}
        self.target = f"{self.chance.choice(STARTS)}/{self.path()}{self.query()}"
        body, content_type = self.body()
        self.headers["Content-Type"] = content_type
        for name in self.chance.sample(sorted(ODD_HEADERS), self.chance.choice((0, 0, 0, 1, 1, 2, 4))):
            self.headers[name] = self.chance.choice(ODD_HEADERS[name])
        if self.headers.get("Transfer-Encoding"):
            cut = self.chance.randrange(len(body) + 1)
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
            body += b"0\r\n\r\n"
        elif body or self.chance.random() < 0.5:
            self.headers["Content-Length"] = str(len(body))
        # As a client of the network writes them: text is UTF-8, and half of the time Latin-1.
        encoding = self.chance.choice(("utf-8", "latin-1"))
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        self.sent = f"{self.method} {self.target} HTTP/1.1\r\n{fields}\r\n".encode(encoding) + body

    def path(self) -> str:
        seen = self.world.paris if self.chance.random() < 0.7 else self.world.nord
        path = self.route.format(
            absence=self.chance.choice(seen["absences"]), organisation=seen["organisation"], id=self.escaped(self.odd())
        )
        ends = (
            "/",
            ".json",
            ".json/",
            "//",
            "%00",
            "%FF",
            "%",
            "%zz",
            "/..",
            ";a=b",
            "%2e",
            "%0A",
            "%F0%9F%A6%86",
            " ",
        )
        return path + (quote(self.chance.choice(ends), safe="/%;=") if self.chance.random() < 0.1 else "")

    def query(self) -> str:
        pairs = [(self.name(), self.value_as_text()) for _ in range(self.chance.choice((0, 0, 0, 1, 1, 2, 5)))]
        if pairs and self.chance.random() < 0.2:
            pairs.append((pairs[0][0], self.value_as_text()))
        query = "&".join(f"{self.escaped(name)}={self.escaped(value)}" for name, value in pairs)
        if self.chance.random() < 0.05:
            query += self.chance.choice(
                ("&%FF=%FF", "&a=%00", "&=&&=", "&a=%ED%A0%80", "&" + "a=1&" * 1500, "?", "&a=+%2B")
            )
        return f"?{query}" if query else ""

    def name(self) -> str:
        name = self.chance.choice(NAMES) if self.chance.random() < 0.9 else self.odd()
        return name + self.chance.choice((*[""] * 12, "[]", "[a]", "[", "[][]", "__in", "."))

    def odd(self) -> str:
        if self.chance.random() < 0.7:
            return self.chance.choice(HOSTILE)
        return "".join(self.chance.choices(LETTERS, k=self.chance.randrange(30)))

    def right(self, name: str) -> Any:
        """A value as it should be, for a name that has one; what only Martine knows, for her alone."""
        seen = self.world.paris if self.chance.random() < 0.8 else self.world.nord
        match name:
            case "agent_id":
                return self.chance.choice(seen["agents"])
            case "agent_email":
                return self.chance.choice(seen["emails"])
            case "organisation_id":
                return seen["organisation"]
            case "service_id":
                return seen["service"]
            case "password" | "password_confirmation" if self.credential:
                return PASSWORD  # the one that she has: so that a change of it that succeeds changes nothing
        return self.chance.choice(RIGHT.get(name, ["1"]))

    def value(self, name: str, depth: int = 0) -> Any:
        draw = self.chance.random()
        if draw < 0.5:
            return self.right(name)
        if draw < 0.75 or depth > 3:
            return self.odd()
        if draw < 0.9:
            return self.chance.choice((None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**40, 1.5, 1e300, -0.0, [], {}))
        if draw < 0.95:
            return [self.value(name, depth + 1) for _ in range(self.chance.randrange(4))]
        return {self.odd(): self.value(name, depth + 1) for _ in range(self.chance.randrange(3))}

    def value_as_text(self) -> str:
        name = self.chance.choice(NAMES)
        return str(self.right(name)) if self.chance.random() < 0.4 else self.odd()

    @staticmethod
    def escaped(text: str) -> str:
        return quote(text.encode("utf-8", "surrogatepass"), safe="") if not text.isascii() else quote(text, safe="{}")

    def body(self) -> tuple[bytes, str]:
        """The bytes and their type, which agree most of the time."""
        content_type = self.chance.choice(TYPES)
        if self.method.upper() in ("GET", "HEAD", "OPTIONS") and self.chance.random() < 0.8:
            return b"", content_type
        if (self.method, self.route) == ("POST", "absences") and self.chance.random() < 0.8:
            names = ["agent_id", "title", "first_day", "start_time", "end_day", "end_time"]
        else:
            names = [self.chance.choice(NAMES) for _ in range(self.chance.randrange(7))]
        document = {name: self.right(name) if self.chance.random() < 0.7 else self.value(name) for name in names}
        if self.chance.random() < 0.1:
            return self.broken(document), content_type
        if content_type.startswith(FORM):
            pairs = (f"{self.escaped(name)}={self.escaped(str(value))}" for name, value in document.items())
            return "&".join(pairs).encode(), content_type
        if content_type.startswith("multipart"):
            parts = (
                b'--limite\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
                % (name.encode("utf-8", "replace"), str(value).encode("utf-8", "replace"))
                for name, value in document.items()
            )
            return b"".join(parts) + b"--limite--\r\n", content_type
        return json.dumps(document, ensure_ascii=self.chance.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        ), content_type

    def broken(self, document: dict[str, Any]) -> bytes:
        whole = json.dumps(document).encode()
        match self.chance.randrange(9):
            case 0:
                return whole[: self.chance.randrange(len(whole))]
            case 1:
                return b"[" * self.chance.choice((10, 1000, 50_000))
            case 2:
                return b'{"title":' + b'{"a":' * 900 + b"1" + b"}" * 901
            case 3:
                return b'{"title":"a","title":"b","title":' + b"9" * self.chance.choice((10, 400, 10_000)) + b"}"
            case 4:
                return whole.replace(b'"', b"\xff", 1)
            case 5:
                return whole.decode().encode("utf-16")
            case 6:
                return b'{"title":"\\ud800","first_day":"\\u0000"}'
            case 7:
                return b"\x1f\x8b" + bytes(self.chance.randrange(256) for _ in range(200))
        return b" " * self.chance.choice((1, 1000, 1024 * 1024 + 1))


# Who sends it, and holds the answer against the contract.


class Wire:
    """One client: a connection that is kept as long as the server keeps it, and what it saw."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.door = (parts.hostname, parts.port)
        self.connection: socket.socket | None = None
        self.statuses: Counter[int] = Counter()
        self.worst = 0.0
        self.slow = 0

    def ask(self, sent: bytes, method: str) -> tuple[int, Any, bytes]:
        """Status, headers and body; measured. A server that closed a kept connection meanwhile is asked anew, once."""
        for again in (True, False):
            began = time.monotonic()
            kept = self.connection is not None
            try:
                answer = self._ask(sent, method)
                break
            except (ConnectionError, HTTPException):
                self.close()
                if not (again and kept):
                    raise
        took = time.monotonic() - began
        self.worst = max(self.worst, took)
        self.slow += took > SLOW
        self.statuses[answer[0]] += 1
        return answer

    def _ask(self, sent: bytes, method: str) -> tuple[int, Any, bytes]:
        if self.connection is None:
            self.connection = socket.create_connection(self.door, HANG)
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent: the answer says so
            self.connection.sendall(sent)
        response = HTTPResponse(self.connection, method=method)
        try:
            response.begin()
            body = response.read()
            if response.will_close:
                self.close()
        finally:
            response.close()
        return response.status, response.headers, body

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def hold(status: int, headers: Any, body: bytes, method: str) -> None:
    """An answer of the API, against the contract."""
    assert status in (200, 204, 302, 304, 400, 401, 403, 404, 405, 409, 411, 412, 413, 415, 422, 429), status
    assert not LEAKS.search(body), LEAKS.search(body)
    for name, value in FIXED_HEADERS.items():
        assert headers.get_all(name) == [value], name
    assert uuid.UUID(headers["X-Request-Id"])
    assert re.fullmatch(r"\d+\.\d{6}", headers["X-Runtime"])
    assert headers["Cache-Control"]
    assert bool(headers["ETag"]) == (status in (200, 304))
    if not body:
        assert status in (204, 304) or method == "HEAD" or (status, method) == (200, "OPTIONS")
        return
    document = json.loads(body)
    assert isinstance(document, dict)
    if headers["Content-Type"] == PROBLEM:
        assert (document["status"], document["request_id"]) == (status, headers["X-Request-Id"])
        assert document["type"].endswith(f"/erreurs/{document['code']}")
        return
    assert headers["Content-Type"] == ("application/json" if status == 429 else "application/json; charset=utf-8")
    if status >= 400:
        check_shape(status, headers, body)
        if status == 422 and isinstance(document["errors"], dict) and "full_messages" not in document["errors"]:
            failures = [failure for attribute in document["errors"].values() for failure in attribute]
            assert all(failure["error"] for failure in failures)
            assert len(failures) == len(document["error_messages"])


def signed_in(server: Server, email: str) -> dict[str, str]:
    answer = requests.post(
        f"{server.address}/api/v1/auth/sign_in", json={"email": email, "password": PASSWORD}, timeout=HANG
    )
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[name] for name in ("access-token", "client", "uid")}


def everyone(server: Server, count: int, work: Callable[[Wire, Iterator[int]], None]) -> dict[str, Any]:
    """`work` by several clients, who share the numbers from 0 to `count`; what they saw, for the figures."""
    numbers = iter(range(count))  # next() of it is one step: no number is given twice
    wires = [Wire(server.address) for _ in range(AT_ONCE)]

    def one(wire: Wire) -> None:
        try:
            work(wire, numbers)
        except BaseException:
            deque(numbers, maxlen=0)  # the others need not go on
            raise

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(one, wire) for wire in wires]:
            done.result()
    took = time.monotonic() - began
    statuses: Counter[int] = Counter()
    for wire in wires:
        wire.close()
        statuses += wire.statuses
    assert statuses.total() == count
    return {
        "requests": count,
        "a second": round(count / took),
        "worst (ms)": round(1000 * max(wire.worst for wire in wires)),
        f"over {SLOW:g} s": sum(wire.slow for wire in wires),
        "answers": dict(sorted(statuses.items())),
    }


def in_order(server: Server) -> None:
    """The server answers, and its log tells of no failure."""
    assert requests.get(f"{server.address}/api/v1/me", timeout=HANG).status_code == 401
    failures = [line for line in server.log.splitlines() if " ERROR " in line or "Traceback" in line or "panic" in line]
    assert not failures, failures[:5]


@pytest.mark.parametrize("who", ["stranger", "agent"])
def test_no_request_makes_the_api_fail_or_tell_too_much(
    server: Server, at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None], who: str
) -> None:
    world = made_world(server)
    sight = world.nord if who == "agent" else None  # a stranger changes nothing at all
    before = rows(server, sight)

    def work(wire: Wire, numbers: Iterator[int]) -> None:
        triple = signed_in(server, world.paris["email"]) if who == "agent" else None
        for number in numbers:
            request = Request(SEED, number, world, triple)
            try:
                status, headers, body = wire.ask(request.sent, request.method)
                hold(status, headers, body, request.method)
                assert UNSEEN not in body.decode() or UNSEEN in request.sent.decode("latin-1")
            except BaseException as failure:
                failure.add_note(f"Request({SEED}, {number}): {request.sent[:3000]!r}")
                raise
            if status == 401 and triple and request.credential and not signs_in_good_standing(server, triple):
                triple = signed_in(server, world.paris["email"])  # it signed itself out

    for name, value in everyone(
        server, at_length(*{"stranger": (150, 30_000), "agent": (300, 100_000)}[who]), work
    ).items():
        figure(name, value)
    assert rows(server, sight) == before
    in_order(server)


def signs_in_good_standing(server: Server, triple: dict[str, str]) -> bool:
    return requests.get(f"{server.address}/api/v1/me", headers=triple, timeout=HANG).status_code == 200


# The administration pages, signed in.

PAGES = ["agents/agent", "agents/organisation", "agents/service", "agents/territory", "agents/clienttoken"]
PAGES += ["absences/absence", "axes/accessattempt", "auth/group", "agents/apiaccount", "agents/accesskey", "{odd}"]
PLACES = [
    "",
    "",
    "add/",
    "{id}/change/",
    "{id}/change/",
    "{id}/delete/",
    "{id}/history/",
    "{id}/password/",
    "{id}/key/",
    "{id}/",
    "{odd}/",
]
OTHERS = [
    "",
    "autocomplete/",
    "jsi18n/",
    "password_change/",
    "login/",
    "r/1/1/",
    "{odd}/",
    "../static/{odd}",
    "logout/",
]
FIELDS = [
    *NAMES,
    *(
        "agent",
        "organisation",
        "territory",
        "services",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "short_name",
    ),
    *(
        "password1",
        "password2",
        "old_password",
        "new_password1",
        "new_password2",
        "usable_password",
        "_save",
        "_continue",
    ),
    *(
        "action",
        "_selected_action",
        "select_across",
        "index",
        "post",
        "_popup",
        "_to_field",
        "_addanother",
        "_saveasnew",
    ),
    *("roles-TOTAL_FORMS", "roles-INITIAL_FORMS", "roles-MIN_NUM_FORMS", "roles-0-id", "roles-0-organisation"),
    *("roles-0-access_level", "roles-0-DELETE", "roles-0-agent", "territorial_roles-TOTAL_FORMS", "departement_number"),
    *(
        "q",
        "o",
        "p",
        "all",
        "e",
        "period",
        "agent__id",
        "app_label",
        "model_name",
        "field_name",
        "term",
        "next",
        "_facets",
    ),
    *("user_permissions", "version", "secretariat", "organisation__territory", "territorial_roles-INITIAL_FORMS"),
]
ACTIONS = ["delete_selected", "deactivate", "reactivate", "revoke_tokens", "revoke"]


class PageRequest(Request):
    """The same for the administration pages: an address, a form with its CSRF token, mostly."""

    def __init__(self, seed: int, number: int, world: SimpleNamespace, cookies: dict[str, str]) -> None:
        self.chance = random.Random(f"{seed}/page/{number}")
        self.world = world
        self.credential = None
        self.method = self.chance.choice(("GET", "GET", "GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT"))
        self.headers = {
            "Host": "127.0.0.1",
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        }
        self.target = f"/admin/{self.page()}{self.query()}"
        body = b""
        if self.method in ("POST", "PUT"):
            fields = [(self.name(), self.value_as_text()) for _ in range(self.chance.randrange(12))]
            if self.chance.random() < 0.9:
                fields.append(("csrfmiddlewaretoken", cookies["csrftoken"]))
            if self.chance.random() < 0.3:
                fields += [("action", self.chance.choice(ACTIONS)), ("_selected_action", self.number()), ("index", "0")]
            if self.chance.random() < 0.4:
                prefixes = ("roles", "territorial_roles", "grants", "form")
                ends = {"TOTAL": "1", "INITIAL": "0", "MIN_NUM": "0", "MAX_NUM": "9"}
                fields += [(f"{which}-{end}_FORMS", count) for which in prefixes for end, count in ends.items()]
            body = "&".join(f"{self.escaped(name)}={self.escaped(value)}" for name, value in fields).encode()
            self.headers |= {"Content-Type": FORM, "Content-Length": str(len(body))}
        for name in self.chance.sample(sorted(ODD_HEADERS.keys() - SESSION), self.chance.choice((0, 0, 0, 1, 2))):
            self.headers[name] = self.chance.choice(ODD_HEADERS[name])
        fields_sent = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        self.sent = f"{self.method} {self.target} HTTP/1.1\r\n{fields_sent}\r\n".encode() + body

    def page(self) -> str:
        if self.chance.random() < 0.2:
            place = self.chance.choice(OTHERS[:-1]) if self.chance.random() < 0.97 else OTHERS[-1]
        else:
            place = f"{self.chance.choice(PAGES)}/{self.chance.choice(PLACES)}"
        return place.format(id=self.number(), odd=self.escaped(self.odd()))

    def number(self) -> str:
        """A row of this world, or of none."""
        if self.chance.random() < 0.2:
            return self.escaped(self.odd())
        one = self.chance.choice((self.world.paris, self.world.nord))
        known = (*one["agents"], *one["absences"], one["organisation"], one["service"], one["territory"])
        return str(self.chance.choice(known))

    def name(self) -> str:
        name = self.chance.choice(FIELDS) if self.chance.random() < 0.9 else self.odd()
        return name + self.chance.choice((*[""] * 12, "__exact", "__in", "__isnull", "_0", "_1", "__gt"))

    def value_as_text(self) -> str:
        return self.number() if self.chance.random() < 0.3 else super().value_as_text()


SESSION = {"Cookie", "Content-Length", "Transfer-Encoding", "Content-Type"}


def signed_in_pages(server: Server, email: str) -> dict[str, str]:
    with requests.Session() as browser:
        browser.get(f"{server.address}/admin/login/", timeout=HANG)
        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "username": email, "password": PASSWORD}
        browser.post(f"{server.address}/admin/login/?next=/admin/", form, timeout=HANG)
        assert "sessionid" in browser.cookies
        return dict(browser.cookies)


def hold_page(status: int, headers: Any, body: bytes) -> None:
    """An answer of the administration pages: no failure, and nothing told that is not for the reader."""
    assert status in (200, 204, 301, 302, 304, 400, 403, 404, 405, 411, 413, 422, 429), status
    assert not LEAKS.search(body), LEAKS.search(body)
    for name, value in FIXED_HEADERS.items():
        assert headers.get_all(name) == [value], name
    if body and headers["Content-Type"].startswith("application/json"):
        json.loads(body)
    if body and headers["Content-Type"].startswith("text/html"):
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def but_for_the_record(rows: Any) -> Any:
    """What is refused is told there."""
    return {name: stored for name, stored in rows.items() if name != "agents.RecordEntry"}


@pytest.mark.parametrize("who", ["superuser", "viewer"])
def test_no_request_makes_the_administration_pages_fail(
    server: Server, at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None], who: str
) -> None:
    world = made_world(server)
    email = getattr(world, who)
    before = but_for_the_record(rows(server))

    def work(wire: Wire, numbers: Iterator[int]) -> None:
        cookies = signed_in_pages(server, email)
        for number in numbers:
            request = PageRequest(SEED, number, world, cookies)
            try:
                status, headers, body = wire.ask(request.sent, request.method)
                hold_page(status, headers, body)
            except BaseException as failure:
                failure.add_note(f"PageRequest({SEED}, {number}): {request.sent[:3000]!r}")
                raise
            if "/logout/" in request.target:
                cookies = signed_in_pages(server, email)

    for name, value in everyone(server, at_length(60, 20_000), work).items():
        figure(name, value)
    if who == "viewer":  # who may look, and change nothing
        assert but_for_the_record(rows(server)) == before
    in_order(server)
