"""A proxy that lies, in one way at a time, about what the server behind it answers: what the conformance kit must see.

    python -m tests.lies ADDRESS DIRECTORY

prints, as JSON, by which test of the section that it concerns each lie was noticed, and whether that test passes by the
truth. The tests are collected once, so that a lie costs a few requests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import json
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from _pytest.runner import runtestprotocol

import conformance
from conformance import plugin
from conformance.client import Server
from conformance.directory import Directory
from conformance.receiver import Listener
from conformance.subscriber import Subscriber

KIT = Path(conformance.__file__).parent
PATIENCE = 5.0  # seconds for what a lie keeps back
LONG = {"told", "attempts"}  # fixtures of the kit's that several tests share
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Request:
    """What the kit asks. A lie may change it before the server hears of it."""

    method: str
    target: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path.removeprefix("/api/v1")

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def without(self, *names: str) -> None:
        """Drop parameters of the query."""
        kept = {name: value for name, value in self.query.items() if name not in names}
        self.target = urlsplit(self.target)._replace(query=urlencode(kept)).geturl()

    def to(self, path: str) -> None:
        """Another address."""
        self.target = urlsplit(self.target)._replace(path=f"/api/v1{path}").geturl()

    @property
    def document(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @document.setter
    def document(self, document: dict[str, Any]) -> None:
        self.body = json.dumps(document).encode()

    def header(self, name: str, value: str | None) -> None:
        del self.headers[name]
        if value is not None:
            self.headers[name] = value


class Headers(dict[str, str]):
    """Names without regard to case."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def drop(self, name: str) -> None:
        self.pop(name.lower(), None)


@dataclass
class Answer:
    """What the server answers, and a lie changes."""

    status: int
    headers: Headers
    body: bytes

    @property
    def document(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @document.setter
    def document(self, document: Any) -> None:
        self.body = json.dumps(document, ensure_ascii=False).encode()

    def become(self, status: int, document: Any) -> None:
        self.status, self.document = status, document
        self.headers["Content-Type"] = "application/json; charset=utf-8"
        self.headers.drop("ETag")
        self.headers["Cache-Control"] = "no-cache"

    def rows(self) -> list[dict[str, Any]]:
        """The records that it shows."""
        document = self.document
        if not isinstance(document, dict):
            return []
        for name in ("absence", "organisation"):
            if isinstance(document.get(name), dict):
                return [document[name]]
        lists = [value for name, value in document.items() if isinstance(value, list) and name != "errors"]
        return [row for value in lists for row in value if isinstance(row, dict)]

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """The same with `change` made to each record."""
        document = self.document
        for name, value in document.items() if isinstance(document, dict) else ():
            if name in ("absence", "organisation"):
                change(value)
            elif name in ("absences", "agents", "organisations", "services"):
                for row in value:
                    change(row)
        if document is not None:
            self.document = document


Ask = Callable[[Request], Answer]
Tell = Callable[[Request, Ask], Answer]


@dataclass
class Lie:
    """`tell` answers in the place of the server, which it may ask; `section`: whose tests must notice; `by`: those with
    this in their name are asked first. `send` brings a delivery in the place of the server, by `ask`.
    """

    section: str
    sentence: str
    tell: Tell
    by: str = ""
    send: Tell | None = None


LIES: list[Lie] = []


def lie(section: str, sentence: str, by: str = "") -> Callable[[Tell], Tell]:
    """The function that follows tells this lie."""

    def keep(tell: Tell) -> Tell:
        LIES.append(Lie(section, sentence, tell, by))
        return tell

    return keep


def about_answers(section: str, sentence: str, by: str = "") -> Callable[[Callable[[Request, Answer], Any]], None]:
    """The function that follows changes the answer."""

    def keep(change: Callable[[Request, Answer], Any]) -> None:
        def tell(request: Request, ask: Ask) -> Answer:
            answer = ask(request)
            change(request, answer)
            return answer

        LIES.append(Lie(section, sentence, tell, by))

    return keep


def about_requests(section: str, sentence: str, by: str = "") -> Callable[[Callable[[Request], Any]], None]:
    """The function that follows changes what the server hears."""

    def keep(change: Callable[[Request], Any]) -> None:
        def tell(request: Request, ask: Ask) -> Answer:
            change(request)
            return ask(request)

        LIES.append(Lie(section, sentence, tell, by))

    return keep


def in_words(section: str, sentence: str, old: str, new: str, by: str = "") -> None:
    """The lie that says `new` where the server says `old`."""

    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        answer.body = answer.body.replace(old.encode(), new.encode())
        return answer

    LIES.append(Lie(section, sentence, tell, by))


def without_header(section: str, name: str) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        answer.headers.drop(name)
        return answer

    LIES.append(Lie(section, f"no {name}", tell))


def with_header(section: str, name: str, value: str) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        if name in answer.headers:
            answer.headers[name] = value
        return answer

    LIES.append(Lie(section, f"{name}: {value}", tell))


def about_deliveries(section: str, sentence: str, by: str = "") -> Callable[[Tell], Tell]:
    """The function that follows brings what the server tells a webhook endpoint."""

    def keep(send: Tell) -> Tell:
        LIES.append(Lie(section, sentence, lambda request, ask: ask(request), by, send))
        return send

    return keep


def in_deliveries(section: str, sentence: str, by: str) -> Callable[[Callable[[dict[str, Any]], Any]], None]:
    """The function that follows changes the document that is told, which is signed again."""

    def keep(change: Callable[[dict[str, Any]], Any]) -> None:
        def send(request: Request, ask: Ask) -> Answer:
            document = request.document
            changed = change(document)
            resign(request, json.dumps(changed or document, ensure_ascii=False, separators=(",", ":")).encode())
            return ask(request)

        about_deliveries(section, sentence, by)(send)

    return keep


_secrets = ["secret-de-webhook"]  # the last one that an endpoint was given


def resign(request: Request, body: bytes, secret: str | None = None) -> None:
    """Give a delivery this body, and its signature."""
    request.body = body
    signature = hmac.new((secret or _secrets[-1]).encode(), body, hashlib.sha256).hexdigest()
    request.header("X-Lapin-Signature", signature)


NOT_FOUND = {"success": False, "errors": ["not_found"]}
UNAUTHENTICATED = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
FORBIDDEN_TEXT = "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"
ONE = re.compile(r"/absences/[^/.]+$")


def invalid(answer: Answer) -> dict[str, Any] | None:
    """The body of an invalid record, if that is what is answered."""
    document = answer.document
    ok = answer.status == 422 and isinstance(document, dict) and isinstance(document.get("errors"), dict)
    return document if ok else None


# 1.1

with_header("1.1", "Content-Type", "application/json")
with_header("1.1", "Content-Type", "text/html; charset=utf-8")


@about_answers("1.1", "a creation is 201")
def _(request: Request, answer: Answer) -> None:
    if request.method == "POST" and request.path == "/absences" and answer.status == 200:
        answer.status = 201


@about_answers("1.1", "a deletion is 200 with a body")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 204:
        answer.become(200, {})


@about_answers("1.1", "a deletion has a content type")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 204:
        answer.headers["Content-Type"] = "application/json"


@about_answers("1.1", "an address with a slash at its end is unknown")
def _(request: Request, answer: Answer) -> None:
    if request.path.endswith("/"):
        answer.become(404, NOT_FOUND)


@about_answers("1.1", "a wrong verb is 404")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 405:
        answer.become(404, NOT_FOUND)


@about_answers("1.1", "HEAD is unknown")
def _(request: Request, answer: Answer) -> None:
    if request.method == "HEAD":
        answer.become(404, None)


@about_answers("1.1", "PUT is unknown")
def _(request: Request, answer: Answer) -> None:
    if request.method == "PUT":
        answer.become(404, NOT_FOUND)


@about_answers("1.1", "an identifier is a number or nothing")
def _(request: Request, answer: Answer) -> None:
    if re.search(r"/absences/\d+[^\d/.]", request.path):
        answer.become(404, {"not_found": "absence"})


@about_requests("1.1", "forms are not read")
def _(request: Request) -> None:
    if "form" in request.headers.get("Content-Type", ""):
        request.body = b""
        request.header("Content-Type", "application/json")


@about_requests("1.1", "the body beats the query")
def _(request: Request) -> None:
    if request.document.keys() & request.query.keys():
        request.without(*request.document)


@about_requests("1.1", "JSON is read whatever its type")
def _(request: Request) -> None:
    if request.document and "json" not in request.headers.get("Content-Type", ""):
        request.header("Content-Type", "application/json")


# 1.2

without_header("1.2", "X-Frame-Options")
without_header("1.2", "X-Runtime")
without_header("1.2", "X-Request-Id")
with_header("1.2", "X-XSS-Protection", "0")
with_header("1.2", "X-Request-Id", str(uuid.uuid4()))
with_header("1.2", "Cache-Control", "public, max-age=60")
with_header("1.2", "Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE")
with_header("1.2", "Access-Control-Max-Age", "600")
with_header("1.2", "Access-Control-Allow-Origin", "https://ailleurs.example")
without_header("1.2", "Access-Control-Expose-Headers")


@about_answers("1.2", "strong ETags")
def _(request: Request, answer: Answer) -> None:
    if "ETag" in answer.headers:
        answer.headers["ETag"] = answer.headers["ETag"].removeprefix("W/")


@about_answers("1.2", "an ETag that changes each time")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 200:
        answer.headers["ETag"] = f'W/"{uuid.uuid4().hex}"'


@about_requests("1.2", "If-None-Match is not looked at")
def _(request: Request) -> None:
    request.header("If-None-Match", None)


@lie("1.2", "an ETag that never changes")
def _(request: Request, ask: Ask) -> Answer:
    known = request.headers.get("If-None-Match")
    request.header("If-None-Match", None)
    answer = ask(request)
    if answer.status == 200:
        answer.headers["ETag"] = f'W/"{"0" * 32}"'
        if known and request.method == "GET" and known == answer.headers["ETag"]:
            answer.status, answer.body = 304, b""
    return answer


# 1.3


@about_answers("1.3", "nobody is told 404 before they sign in")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 401 and request.path.endswith("/0"):
        answer.become(404, {"not_found": "absence"})


@about_answers("1.3", "malformed JSON is told to anybody")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 401 and request.body == b'{"title": ':
        answer.become(400, {"success": False, "errors": [{"base": "bad_request"}], "error_messages": ["?"]})


@about_answers("1.3", "an update is judged by its values before the right")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 403 and request.document.get("start_time") == "8h":
        answer.become(422, {"success": False, "errors": {}, "error_messages": []})


@about_answers("1.3", "a creation is judged by the right before its values")
def _(request: Request, answer: Answer) -> None:
    if request.method == "POST" and answer.status == 422 and request.document.get("title") == "":
        answer.become(403, {"errors": [{"base": "forbidden"}], "error_messages": [FORBIDDEN_TEXT]})


@about_answers("1.3", "an object in the place of a number is a bug")
def _(request: Request, answer: Answer) -> None:
    if isinstance(request.document.get("agent_id"), dict):
        answer.become(500, {"success": False, "errors": [{"base": "internal_server_error"}]})


# 1.4


@about_answers("1.4", "what cannot be read is missing")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document:
        for failures in document["errors"].values():
            failures[:] = [{"error": "blank"} if one["error"] == "invalid" else one for one in failures]
        answer.document = document


@about_requests("1.4", "dates are guessed")
def _(request: Request) -> None:
    match = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", str(request.document.get("first_day")))
    if match:
        request.document = request.document | {"first_day": f"{match[3]}-{match[2]}-{match[1]}"}


@about_requests("1.4", "an unreadable end is none")
def _(request: Request) -> None:
    if request.document.get("end_day") == "demain":
        request.document = {name: value for name, value in request.document.items() if name != "end_day"}


in_words("1.4", "midnight is not explained", "24:00 n'existe pas : indiquez 00:00 du jour suivant", "format H:m")
in_words("1.4", "another format is announced", '"format":"H:m[:s]"', '"format":"HH:MM"')


# 1.5


@about_answers("1.5", "times without seconds")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update({k: v[:5] for k, v in row.items() if k in ("start_time", "end_time")}))


@about_answers("1.5", "dates as in France")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update({k: "/".join(v.split("-")[::-1]) for k, v in row.items() if k == "first_day"}))


@about_answers("1.5", "keys in another order")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update(id=row.pop("id")))


@about_answers("1.5", "what is null is left out")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.pop("rrule") if row.get("rrule", "") is None else None)


in_words("1.5", "text is escaped for HTML", "<b>", "&lt;b&gt;")


# 1.6


@about_answers("1.6", "no meta")
def _(request: Request, answer: Answer) -> None:
    document = answer.document
    if isinstance(document, dict) and document.pop("meta", None):
        answer.document = document


@about_answers("1.6", "meta before the list")
def _(request: Request, answer: Answer) -> None:
    document = answer.document
    if isinstance(document, dict) and "meta" in document:
        answer.document = {"meta": document.pop("meta"), **document}


@about_answers("1.6", "a page of 101")
def _(request: Request, answer: Answer) -> None:
    document = answer.document
    if isinstance(document, dict) and len(document.get("absences", ())) == 100:
        document["absences"].append(document["absences"][0])
        answer.document = document


def of_meta(sentence: str, **changes: Callable[[dict[str, Any]], Any]) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        document = answer.document
        if isinstance(document, dict) and "meta" in document:
            document["meta"] |= {name: change(document["meta"]) for name, change in changes.items()}
            answer.document = document
        return answer

    LIES.append(Lie("1.6", sentence, tell))


of_meta("an empty list has one page", total_pages=lambda meta: meta["total_pages"] or 1)
of_meta("one too many", total_count=lambda meta: meta["total_count"] + 1)
of_meta("numbers as text", current_page=lambda meta: str(meta["current_page"]))
of_meta("there is always a page before", prev_page=lambda meta: max(meta["current_page"] - 1, 1))
of_meta("there is never a next page", next_page=lambda meta: None)


@about_requests("1.6", "beyond the end is the first page")
def _(request: Request) -> None:
    if request.query.get("page", "").isdecimal() and int(request.query["page"]) > 9:
        request.without("page")


@about_answers("1.6", "a page that cannot be read is 422")
def _(request: Request, answer: Answer) -> None:
    if request.query.get("page") == "abc":
        answer.become(422, {"success": False, "errors": {"page": [{"error": "invalid"}]}, "error_messages": []})


@about_requests("1.6", "page[] counts")
def _(request: Request) -> None:
    request.target = request.target.replace("page[]", "page").replace("page%5B%5D", "page")


# 1.7 to 1.9

in_words("1.7", "another sentence of 401", "Vous devez vous connecter", "Connectez-vous")
in_words("1.7", "another sentence of a malformed body", "n'est pas un JSON valide.", "est mal formé.")
in_words("1.7", "another sentence of GET sign_in", "GET n'est pas supporté.", "")
in_words("1.7", "absences are not named in 404", '{"not_found":"absence"}', '{"not_found":"record"}')
in_words("1.7", "agents are not named in 404", '{"not_found":"agent"}', '{"not_found":"record"}')
in_words("1.7", "organisations are not found in French", "Couldn't find Organisation", "Organisation introuvable")
in_words("1.7", "unknown addresses have no code", '["not_found"]', '["Not Found"]')


@about_answers("1.7", "403 has a success key")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 403:
        answer.document = {"success": False, **answer.document}


@about_answers("1.7", "malformed JSON is 422")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 400:
        answer.status = 422


@about_answers("1.7", "403 is 404")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 403:
        answer.become(404, {"not_found": "absence"})


@about_answers("1.8", "errors are a list")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document:
        answer.document = document | {"errors": document["error_messages"]}


@about_answers("1.8", "messages without their attribute")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document:
        answer.document = document | {"error_messages": [one.split(" ", 1)[1] for one in document["error_messages"]]}


@about_answers("1.8", "only the first failure is told")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document:
        answer.document = document | {"error_messages": document["error_messages"][:1]}


in_words("1.9", "the sentence of 403 before October 2024", FORBIDDEN_TEXT, "Vous ne pouvez pas effectuer cette action.")
in_words("1.9", "straight apostrophes", "n’avez", "n'avez")
in_words("1.9", "one sentence for organisations too", "accéder à cette organisation", "accéder à cette page")

# 1.10

in_words("1.10", "another word for blank", "doit être rempli(e)", "doit être rempli")
in_words("1.10", "the end is an attribute", "ends_time", "end_time")
in_words("1.10", "an agent who does not exist is blank", "agent doit exister", "agent doit être rempli(e)")
in_words("1.10", "another word for taken", "est déjà utilisé", "n'est pas disponible")
in_words("1.10", "another code for a telephone", 'phone_number":[{"error":"invalid"', 'phone_number":[{"error":"phone"')


@about_answers("1.10", "first_day twice")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document and document["errors"].get("first_day") == [{"error": "blank"}]:
        document["errors"]["first_day"] *= 2
        answer.document = document


@about_answers("1.10", "failures in another order")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document:
        errors = dict(sorted(document["errors"].items()))
        answer.document = document | {"errors": errors, "error_messages": sorted(document["error_messages"])}


@about_requests("1.10", "titles may be blank")
def _(request: Request) -> None:
    if request.method == "POST" and str(request.document.get("title", "x")).strip() == "":
        request.document = request.document | {"title": "Sans titre"}


@about_requests("1.10", "any year is good")
def _(request: Request) -> None:
    if request.document.get("first_day") == "2017-12-31":
        request.document = request.document | {"first_day": "2018-12-31"}


# 2


@about_requests("2.1", "the signature is not looked at")
def _(request: Request) -> None:
    request.header("X-Agent-Auth-Signature", None)


@about_answers("2.1", "auth looks at the signature")
def _(request: Request, answer: Answer) -> None:
    if "X-Agent-Auth-Signature" in request.headers:
        answer.become(401, UNAUTHENTICATED)


@about_answers("2.2", "PATCH /auth/password is unknown")
def _(request: Request, answer: Answer) -> None:
    if request.path == "/auth/password" and request.method == "PATCH":
        answer.become(404, NOT_FOUND)


def of_account(section: str, sentence: str, change: Callable[[dict[str, Any]], Any]) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        document = answer.document
        if isinstance(document, dict) and "data" in document:
            change(document["data"])
            answer.document = document
        return answer

    LIES.append(Lie(section, sentence, tell))


of_account("2.3", "a digest among the keys", lambda data: data.update(encrypted_password="x"))
of_account("2.3", "no service_id", lambda data: data.pop("service_id"))
of_account("2.3", "everybody is admin", lambda data: data.update(role="admin"))
of_account("2.3", "keys in another order", lambda data: data.update(id=data.pop("id")))


@about_requests("2.3", "the pair is read from headers")
def _(request: Request) -> None:
    if request.path == "/auth/sign_in" and request.headers.get("email"):
        request.document = {"email": request.headers["email"], "password": request.headers["password"]}


@about_answers("2.3", "the email has its case")
def _(request: Request, answer: Answer) -> None:
    email = str(request.document.get("email", ""))
    if request.path == "/auth/sign_in" and email != email.lower():
        answer.become(401, {"success": False, "errors": ["Mot de passe ou identifiant invalide."]})


in_words("2.3", "an unknown email is told", "Mot de passe ou identifiant invalide.", "Identifiant inconnu.")


@about_answers("2.4", "no credential on errors")
def _(request: Request, answer: Answer) -> None:
    if answer.status >= 400:
        answer.headers.drop("access-token")


with_header("2.4", "token-type", "token")


@about_answers("2.4", "a date in the place of seconds")
def _(request: Request, answer: Answer) -> None:
    if "expiry" in answer.headers:
        answer.headers["expiry"] = "2030-01-01T00:00:00Z"


_newest: dict[str, str] = {}


@lie("2.5", "one client of an agent")
def _(request: Request, ask: Ask) -> Answer:
    uid, client = request.headers.get("uid", ""), request.headers.get("client", "")
    answer = ask(request)
    if request.path == "/auth/sign_in" and answer.status == 200:
        _newest[answer.headers["uid"]] = answer.headers["client"]
    elif answer.status == 200 and _newest.get(uid, client) != client:
        answer.become(401, UNAUTHENTICATED)
    return answer


_tokens: dict[str, str] = {}


@lie("2.5", "any token will do")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    if "access-token" in answer.headers:
        _tokens[answer.headers["client"]] = answer.headers["access-token"]
    elif answer.status == 401 and request.headers.get("client") in _tokens:
        request.header("access-token", _tokens[request.headers["client"]])
        return ask(request)
    return answer


@about_requests("2.6", "the triple is read from the address")
def _(request: Request) -> None:
    for name in ("uid", "client", "access-token"):
        if name in request.query:
            request.header(name, request.query[name])


@about_requests("2.6", "Authorization is not read")
def _(request: Request) -> None:
    request.header("Authorization", None)


@about_answers("2.6", "the scheme is checked")
def _(request: Request, answer: Answer) -> None:
    if not request.headers.get("Authorization", "Bearer").startswith("Bearer"):
        answer.become(401, UNAUTHENTICATED)


@about_requests("2.6", "an empty header does not count")
def _(request: Request) -> None:
    if request.headers.get("Authorization") and request.headers.get("uid") == "":
        request.header("uid", None)


@about_answers("2.7", "a wrong signature is 403")
def _(request: Request, answer: Answer) -> None:
    if "X-Agent-Auth-Signature" in request.headers:
        answer.become(403, {"errors": [{"base": "forbidden"}], "error_messages": [FORBIDDEN_TEXT]})


@lie("2.8", "a sign-out that ends nothing")
def _(request: Request, ask: Ask) -> Answer:
    if request.path == "/auth/sign_out" and request.headers.get("uid"):
        request.method = "GET"
        request.to("/auth/validate_token")
        answer = ask(request)
        for name in ("access-token", "client", "uid", "expiry", "token-type"):
            answer.headers.drop(name)
        answer.document = {"success": True}
        return answer
    return ask(request)


@about_answers("2.8", "an unknown email is told")
def _(request: Request, answer: Answer) -> None:
    if request.path == "/auth/password" and request.method == "POST" and answer.status == 200:
        email = request.document["email"]
        sentence = f"Impossible de trouver l'utilisateur avec l'adresse e-mail suivante '{email}'."
        answer.become(404, {"success": False, "errors": [sentence]})


@about_answers("2.8", "nobody may not sign out: 401")
def _(request: Request, answer: Answer) -> None:
    if request.path == "/auth/sign_out" and answer.status == 404:
        answer.status = 401


in_words("2.8", "Unauthorized in French", "Unauthorized", "Non autorisé")
in_words("2.8", "another sentence of a weak password", "au moins une majuscule.", "une majuscule.")
in_words("2.9", "who is put aside is told nothing", "Un e-mail de confirmation", "Un e-mail")


@about_requests("2.9", "the uid has no case")
def _(request: Request) -> None:
    if request.headers.get("uid"):
        request.header("uid", request.headers["uid"].lower())


# 3.3

_made: dict[str, dict[str, Any]] = {}  # by whom


@lie("3.3", "one absence out of sight in the list")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    uid = request.headers.get("uid", "")
    if request.method == "POST" and request.path == "/absences" and answer.status == 200:
        _made[uid] = answer.document["absence"]
    if request.method == "GET" and request.path == "/absences" and answer.status == 200:
        document = answer.document
        document["absences"] += [row for maker, row in _made.items() if maker != uid][:1]
        answer.document = document
    return answer


@lie("3.3", "an absence out of sight is shown")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    if request.method == "POST" and request.path == "/absences" and answer.status == 200:
        row = answer.document["absence"]
        _made[str(row["id"])] = row
    if request.method == "GET" and answer.status == 403 and request.path.split("/")[-1] in _made:
        answer.become(200, {"absence": _made[request.path.split("/")[-1]]})
    return answer


@about_answers("3.3", "whoever asks may delete")
def _(request: Request, answer: Answer) -> None:
    if request.method == "DELETE" and answer.status == 403:
        answer.status, answer.body = 204, b""


def of_list(section: str, sentence: str, plural: str, change: Callable[[list[Any]], Any]) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        document = answer.document
        if request.method == "GET" and request.path == f"/{plural}" and answer.status == 200:
            change(document[plural])
            answer.document = document
        return answer

    LIES.append(Lie(section, sentence, tell))


of_list("3.3", "one agent is left out", "agents", lambda rows: rows[-1:] and rows.pop())
of_list("3.3", "one absence is left out", "absences", lambda rows: rows[:1] and rows.pop(0))


@about_answers("3.3", "any colleague may change an organisation")
def _(request: Request, answer: Answer) -> None:
    if request.method in ("PUT", "PATCH") and request.path.startswith("/organisations/") and answer.status == 403:
        answer.become(200, {"organisation": {"id": 1}})


@about_requests("3.3", "organisation_id is forgotten")
def _(request: Request) -> None:
    request.without("organisation_id")


# 4


@about_answers("4.1", "a key has another name")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update(calendar=row.pop("ical")) if "ical" in row else None)


@about_answers("4.1", "an identifier is text")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update(id=str(row["id"])))


in_words("4.1", "the calendar's name without accent", '@RDV Solidarités"', '@RDV Solidarites"')


@about_answers("4.1", "the agent without email")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row["agent"].pop("email") if "agent" in row else None)


of_list("4.2", "the oldest first", "absences", lambda rows: rows.reverse())
of_list(
    "4.2",
    "equal days in the order of their making",
    "absences",
    lambda rows: rows.sort(key=lambda row: (row["first_day"], row["start_time"], -row["id"]), reverse=True),
)


@lie("4.2", "a deletion that deletes nothing")
def _(request: Request, ask: Ask) -> Answer:
    if request.method == "DELETE" and ONE.search(request.path):
        request.method = "GET"
        answer = ask(request)
        if answer.status == 200:
            answer.status, answer.body = 204, b""
            answer.headers.drop("Content-Type")
        return answer
    return ask(request)


@about_requests("4.2", "an email has no case")
def _(request: Request) -> None:
    if "agent_email" in request.document:
        email = str(request.document["agent_email"]).strip().lower()
        request.document = request.document | {"agent_email": email}


@about_answers("4.2", "an unknown id is 404")
def _(request: Request, answer: Answer) -> None:
    document = invalid(answer)
    if document and "agent" in document["errors"] and "agent_id" in request.document:
        answer.become(404, {"not_found": "agent"})


@about_requests("4.2", "the email wins over the id")
def _(request: Request) -> None:
    if request.document.get("agent_email"):
        request.document = {name: value for name, value in request.document.items() if name != "agent_id"}


@about_requests("4.2", "the organisation is not kept")
def _(request: Request) -> None:
    if "organisation_id" in request.document:
        request.document = {name: value for name, value in request.document.items() if name != "organisation_id"}


@about_requests("4.2", "an update resets what is not sent")
def _(request: Request) -> None:
    if request.method in ("PUT", "PATCH") and ONE.search(request.path) and "start_time" in request.document:
        request.document = {"end_time": "23:59", **request.document}


of_list("4.3", "an agent twice", "agents", lambda rows: rows[:1] and rows.append(rows[0]))
of_list("4.4", "organisations by name", "organisations", lambda rows: rows.sort(key=lambda row: -row["id"]))


@about_requests("4.4", "a change that changes nothing")
def _(request: Request) -> None:
    if request.method in ("PUT", "PATCH") and request.path.startswith("/organisations/"):
        request.body = b"{}"


# 5


@about_answers("5.2", "no recurrence is an empty text")
def _(request: Request, answer: Answer) -> None:
    answer.edit(lambda row: row.update(rrule="") if "rrule" in row else None)


in_words("5.3", "lines end as elsewhere", "\\r\\n", "\\n")
in_words("5.3", "an address that nobody reads", "secretariat-auto@", "noreply@")
in_words("5.3", "commas are not escaped", "\\\\,", ",")
in_words("5.3", "no zone", "DTSTART;TZID=Europe/Paris:", "DTSTART:")


@about_answers("5.3", "the sequence stays")
def _(request: Request, answer: Answer) -> None:
    answer.body = re.sub(rb"SEQUENCE:\d+", b"SEQUENCE:0", answer.body)


@about_answers("5.3", "the moment of the answer")
def _(request: Request, answer: Answer) -> None:
    stamp = f"DTSTAMP:20260101T{time.monotonic_ns() // 1000 % 1000000:06d}Z"
    answer.body = re.sub(rb"DTSTAMP:\d{8}T\d{6}Z", stamp.encode(), answer.body)


@about_answers("5.3", "long lines")
def _(request: Request, answer: Answer) -> None:
    answer.body = answer.body.replace(b"\\r\\n ", b"")


# Recurrence


def of_rule(section: str, sentence: str, change: Callable[[str], str]) -> None:
    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        answer.edit(lambda row: row.update(rrule=change(row["rrule"])) if row.get("rrule") else None)
        return answer

    LIES.append(Lie(section, sentence, tell, "parts"))


of_rule("5.2", "the last part ends with nothing", lambda rule: rule.rstrip(";"))
of_rule("5.2", "the end comes second", lambda rule: ";".join(sorted(rule.split(";")[:-1], key=_part)) + ";")
of_rule("5.2", "days in the order of the week", lambda rule: rule.replace("WE,MO", "MO,WE"))
of_rule("5.2", "the end in UTC", lambda rule: re.sub(r"(UNTIL=\d{8}T\d{6})", r"\1Z", rule))


def _part(part: str) -> int:
    return ("FREQ", "UNTIL", "INTERVAL", "BYDAY").index(part.split("=")[0])


@about_requests("5.2", "a change forgets the rule", "leaves_it_alone")
def _(request: Request) -> None:
    if request.method == "PATCH" and request.document.get("start_time") == "07:00":
        request.document = request.document | {"rrule": None}


@about_answers("5.3", "the calendar has no rule", "another_order")
def _(request: Request, answer: Answer) -> None:
    answer.body = re.sub(rb"(SUMMARY[^\n]*)RRULE:[^\\]*\\r\\n", rb"\1", answer.body)


@about_answers("5.3", "the calendar has the rule as the API does", "another_order")
def _(request: Request, answer: Answer) -> None:
    answer.body = re.sub(rb"(SUMMARY[^\n]*RRULE:[^\\]*)(\\r)", rb"\1;\2", answer.body)


@about_requests("5.1", "it comes in each week")
def _(request: Request) -> None:
    if "rrule" in request.document:
        rule = str(request.document["rrule"]).replace("INTERVAL=2", "INTERVAL=1")
        request.document = request.document | {"rrule": rule}


@about_answers("5.1", "its last day is left out")
def _(request: Request, answer: Answer) -> None:
    if request.path.endswith("/occurrences") and answer.status == 200:
        answer.document = answer.document | {"occurrences": answer.document["occurrences"][:-1]}


in_words("1.10", "another sentence of a wrong start", "Le début de la récurrence", "La récurrence", "begins_on")
in_words("1.10", "another sentence of a wrong end", "La fin de la récurrence", "La récurrence", "begins_on")
in_words(
    "1.10",
    "several days may not recur, in other words",
    "pas possible avec une indisponibilité",
    "impossible avec",
    "several_days",
)
in_words("1.10", "the end of a recurrence is an end", "recurrence_ends_at", "ends_at", "beyond_five")


# Webhook endpoints

_ENDPOINTS = re.compile(r"/organisations/([^/]+)/webhook_endpoints")


def of_endpoints(section: str, sentence: str, change: Callable[[Request, dict[str, Any]], Any], by: str = "") -> None:
    """Of each endpoint that is shown, alone or in the list, something is told otherwise."""

    def tell(request: Request, ask: Ask) -> Answer:
        answer = ask(request)
        document = answer.document
        if _ENDPOINTS.match(request.path) and answer.status == 200:
            for row in (document.get("webhook_endpoint"), *document.get("webhook_endpoints", ())):
                if row:
                    change(request, row)
            answer.document = document
        return answer

    LIES.append(Lie(section, sentence, tell, by))


def of_endpoint_requests(section: str, sentence: str, change: Callable[[Request], Any], by: str = "") -> None:
    """Of each request about endpoints the server hears something else."""

    def tell(request: Request, ask: Ask) -> Answer:
        if _ENDPOINTS.match(request.path):
            change(request)
        return ask(request)

    LIES.append(Lie(section, sentence, tell, by))


def forget(*names: str) -> Callable[[Request], None]:
    """Leave these parameters of a body out."""

    def change(request: Request) -> None:
        if request.document:
            request.document = {name: value for name, value in request.document.items() if name not in names}

    return change


of_endpoints("4.1", "the secret is shown", lambda request, row: row.update(secret="x"), "endpoint")
of_endpoints("4.1", "an endpoint is no number", lambda request, row: row.update(id=str(row["id"])), "endpoint")
of_endpoints(
    "4.10",
    "everything, when nothing is asked",
    lambda request, row: row["subscriptions"].append("agent"),
    "usual_ones",
)
of_endpoint_requests("4.10", "target_url is not looked at", lambda request: request.without("target_url"), "exact")
of_endpoint_requests("4.10", "there is one page", lambda request: request.without("page"), "has_pages")
of_endpoint_requests("4.10", "trigger is not looked at", forget("trigger"), "trigger_false")
in_words(
    "4.10",
    "no organisation has no endpoint",
    "Couldn't find WebhookEndpoint",
    "Couldn't find Organisation",
    "without_a_role",
)


of_endpoint_requests(
    "4.10",
    "endpoints are made by bodies alone",
    lambda request: request.without(*request.query) if request.method == "POST" else None,
    "query_string",
)
in_words(
    "4.10", "what is not found is told in another form", '{"success":false,"errors":["C', '{"errors":["C', "not_exist"
)


def nothing_listed(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    if request.method == "GET" and _ENDPOINTS.match(request.path) and answer.status == 200:
        answer.document = answer.document | {"webhook_endpoints": []}
    return answer


LIES.append(Lie("4.10", "there are no endpoints", nothing_listed, "list_shows"))
LIES.append(Lie("3.3", "who has a role only sees no endpoints", nothing_listed, "whoever_has_a_role"))


@lie("4.10", "an address is found by its beginning", "exact_address")
def _(request: Request, ask: Ask) -> Answer:
    url = request.query.get("target_url")
    request.without("target_url")
    answer = ask(request)
    if url and answer.status == 200:
        rows = [row for row in answer.document["webhook_endpoints"] if row["target_url"].startswith(url[:-1])]
        answer.document = answer.document | {"webhook_endpoints": rows}
    return answer


@about_answers("4.10", "a creation is 201", "a_creation_answers")
def _(request: Request, answer: Answer) -> None:
    if request.method == "POST" and _ENDPOINTS.match(request.path) and answer.status == 200:
        answer.status = 201


@about_requests("4.10", "an update leaves unsaid what was said", "update_changes")
def _(request: Request) -> None:
    if request.method in ("PUT", "PATCH") and _ENDPOINTS.match(request.path):
        request.document = {"subscriptions": ["agent"], **request.document}


@about_requests("4.10", "a change that changes nothing", "update_changes")
def _(request: Request) -> None:
    if request.method in ("PUT", "PATCH") and _ENDPOINTS.match(request.path):
        request.document = {"trigger": False}


_homes: dict[str, str] = {}  # by endpoint, where it was made


@lie("4.10", "an endpoint stays where it was made", "update_moves")
def _(request: Request, ask: Ask) -> Answer:
    found = re.fullmatch(r"/organisations/(\d+)/webhook_endpoints/(\d+)", request.path)
    if found and request.method in ("PUT", "PATCH") and found[2] in _homes:
        request.to(f"/organisations/{_homes[found[2]]}/webhook_endpoints/{found[2]}")
    answer = ask(request)
    if request.method == "POST" and _ENDPOINTS.match(request.path) and answer.status == 200:
        row = answer.document["webhook_endpoint"]
        _homes[str(row["id"])] = str(row["organisation_id"])
    return answer


@about_answers("4.10", "an endpoint goes anywhere", "out_of_what")
def _(request: Request, answer: Answer) -> None:
    if request.method == "PATCH" and _ENDPOINTS.match(request.path) and answer.status == 403:
        answer.become(200, {"webhook_endpoint": {"id": 0, "organisation_id": 0}})


@about_answers("4.10", "nobody is told that there is none", "before_they_sign_in")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 401 and request.path.endswith("/0"):
        answer.become(404, {"success": False, "errors": ["Couldn't find WebhookEndpoint with 'id'=0"]})


@about_answers("4.10", "somebody else's endpoint is forbidden", "without_a_role")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 404 and _ENDPOINTS.match(request.path) and request.method in ("PUT", "PATCH"):
        answer.become(403, {"errors": [{"base": "forbidden"}], "error_messages": [FORBIDDEN_TEXT]})


@about_requests("4.10", "some subscriptions are unknown", "every_subscription")
def _(request: Request) -> None:
    if "referent_assignation" in request.document.get("subscriptions", ()):
        request.document = request.document | {"subscriptions": ["referent"]}


@about_answers("3.3", "anybody sees the endpoints", "no_organisation")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 404 and request.method == "GET" and _ENDPOINTS.match(request.path):
        answer.become(200, {"webhook_endpoints": [], "meta": {}})


@about_answers("3.3", "what is wrong is told to who may make no endpoint", "does_not_administer")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 403 and request.body == b"{}" and _ENDPOINTS.match(request.path):
        answer.become(422, {"success": False, "errors": {}, "error_messages": []})


@about_answers("3.3", "endpoints are made where one has a role", "the_right_to_make")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 422 and request.body == b"{}" and _ENDPOINTS.match(request.path):
        answer.become(403, {"errors": [{"base": "forbidden"}], "error_messages": [FORBIDDEN_TEXT]})


in_words(
    "1.10", "subscriptions are wrong in other words", "la liste des abonnements choisis", "la liste", "endpoint_needs"
)


@about_requests("1.10", "a secret may be empty", "an_endpoint_needs")
def _(request: Request) -> None:
    if request.document.get("secret", "x") in ("", None):
        request.document = request.document | {"secret": "x"}


def lenient(request: Request, ask: Ask) -> Answer:
    if request.method == "PATCH" and _ENDPOINTS.match(request.path):
        request.document = {name: value for name, value in request.document.items() if value}
    return ask(request)


def by_itself(request: Request, ask: Ask) -> Answer:
    if request.method == "PATCH" and request.document.get("first_day") == "2027-01-05":
        request.document = request.document | {"rrule": None}
    return ask(request)


LIES.append(Lie("1.10", "an endpoint may lose its address", lenient, "update_of_an_endpoint"))
LIES.append(Lie("1.10", "a recurrence ends when its first day moves", by_itself, "first_day_of_a_recurring"))


@about_requests("1.10", "an address is there as often as one likes", "once_in_an_organisation")
def _(request: Request) -> None:
    if request.method == "POST" and request.document.get("target_url"):
        url = f"{request.document['target_url']}?{uuid.uuid4().hex}"
        request.document = request.document | {"target_url": url}


# 5.5


@about_deliveries("5.5", "no charset", "post_of_json")
def _(request: Request, ask: Ask) -> Answer:
    request.header("Content-Type", "application/json")
    return ask(request)


@about_deliveries("5.5", "a deletion is a DELETE", "too[destroyed]")
def _(request: Request, ask: Ask) -> Answer:
    if request.document["meta"]["event"] == "destroyed":
        request.method = "DELETE"
    return ask(request)


@about_deliveries("5.5", "no signature", "signed")
def _(request: Request, ask: Ask) -> Answer:
    request.header("X-Lapin-Signature", None)
    return ask(request)


@about_deliveries("5.5", "an upper-case signature", "signed")
def _(request: Request, ask: Ask) -> Answer:
    request.header("X-Lapin-Signature", request.headers["X-Lapin-Signature"].upper())
    return ask(request)


@about_deliveries("5.5", "a body that changed on its way", "signed")
def _(request: Request, ask: Ask) -> Answer:
    request.body += b"\n"
    return ask(request)


@in_deliveries("5.5", "meta in another order", "says_what")
def _(document: dict[str, Any]) -> None:
    document["meta"]["model"] = document["meta"].pop("model")


@in_deliveries("5.5", "no webhook_reason", "says_what")
def _(document: dict[str, Any]) -> None:
    del document["meta"]["webhook_reason"]


@in_deliveries("5.5", "another key of meta", "says_what")
def _(document: dict[str, Any]) -> None:
    document["meta"]["id"] = 1


@in_deliveries("5.5", "meta comes first", "says_what")
def _(document: dict[str, Any]) -> dict[str, Any]:
    return {"meta": document["meta"], "data": document["data"]}


@in_deliveries("5.5", "a moment as auth has them", "says_what")
def _(document: dict[str, Any]) -> None:
    document["meta"]["timestamp"] = document["meta"]["timestamp"].replace(" ", "T", 1)


@in_deliveries("5.5", "models in lower case", "says_what")
def _(document: dict[str, Any]) -> None:
    document["meta"]["model"] = document["meta"]["model"].lower()


@in_deliveries("5.5", "a change is a creation", "it[updated]")
def _(document: dict[str, Any]) -> None:
    if document["meta"]["event"] == "updated":
        document["meta"]["event"] = "created"


@in_deliveries("5.5", "of what is gone the number alone", "it[destroyed]")
def _(document: dict[str, Any]) -> None:
    if document["meta"]["event"] == "destroyed":
        document["data"] = {"id": document["data"]["id"]}


@in_deliveries("5.5", "a change shows what was before", "it[updated]")
def _(document: dict[str, Any]) -> None:
    if document["data"].get("start_time") == "07:30:00":
        document["data"]["start_time"] = "08:00:00"


@in_deliveries("5.5", "what there is is told as a change", "what_there_is")
def _(document: dict[str, Any]) -> None:
    if document["meta"]["event"] == "created":
        document["meta"]["event"] = "updated"


@about_deliveries("5.5", "text is escaped for HTML", "escaped")
def _(request: Request, ask: Ask) -> Answer:
    resign(request, request.body.replace(b"<", b"\\u003c"))
    return ask(request)


of_endpoint_requests(
    "5.5",
    "a secret is for ever",
    lambda request: forget("secret")(request) if request.method == "PATCH" else None,
    "new_secret",
)
of_endpoint_requests("5.5", "absences are told to everybody", lambda request: _of_all(request), "subscribed_to")


def _of_all(request: Request) -> None:
    if "organisation" in request.document.get("subscriptions", ()):
        request.document = request.document | {"subscriptions": ["organisation", "absence"]}


_told: dict[str, bytes] = {}  # by address


@about_deliveries("5.5", "an absence is told to the organisations of anybody", "every_organisation")
def _(request: Request, ask: Ask) -> Answer:
    target, body = request.target, request.body
    known = dict(_told)
    _told[target] = body
    for address, earlier in known.items():
        request.target, request.body = address, body
        ask(request)
        request.target, request.body = target, earlier
        ask(request)
    request.target, request.body = target, body
    return ask(request)


@about_deliveries("5.5", "redirects are followed", "redirect")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    if answer.status == 302:
        where = urlsplit(answer.headers["Location"])
        request.target = f"{where.path}?{where.query}"
        return ask(request)
    return answer


@about_deliveries("5.5", "what failed is sent again at once", "what_failed")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    return answer if answer.status < 300 else ask(request)


@about_deliveries("5.5", "what was received is sent again", "[202]")
def _(request: Request, ask: Ask) -> Answer:
    answer = ask(request)
    return ask(request) if answer.status == 202 else answer


# Additions

of_list("+services", "nobody is a secretary", "services", lambda rows: [row.update(secretariat=False) for row in rows])
of_list("+services", "a service is left out", "services", lambda rows: rows[:1] and rows.pop())
with_header("+pages", "X-Total-Count", "1000000")
with_header("+reasons", "WWW-Authenticate", "Bearer")
with_header("+reasons", "Location", "/api/v1/absences/0")
in_words("+languages", "some French", "error_messages", "messages_d_erreur")
with_header("+limits", "Retry-After", "soon")


@about_deliveries("+webhooks", "the second signature is over the body alone", "a_second_time")
def _(request: Request, ask: Ask) -> Answer:
    signed = hmac.new(_secrets[-1].encode(), request.body, hashlib.sha256).digest()
    request.header("webhook-signature", f"v1,{base64.b64encode(signed).decode()}")
    return ask(request)


@about_deliveries("+webhooks", "one id for all", "id_of_its_own")
def _(request: Request, ask: Ask) -> Answer:
    request.header("webhook-id", "evt_0")
    return ask(request)


@about_answers("+webhooks", "an endpoint that is removed stays", "shown_and_removed")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 404 and request.method == "GET" and _ENDPOINTS.match(request.path):
        answer.become(200, {"webhook_endpoint": {}})


@about_answers("+limits", "a long body is 400")
def _(request: Request, answer: Answer) -> None:
    if answer.status == 413:
        answer.document = {"success": False, "errors": [{"base": "bad_request"}], "error_messages": ["?"]}


@about_requests("+filters", "days are not looked at")
def _(request: Request) -> None:
    request.without("from", "to")


_keys: set[str] = set()


@lie("+writes", "a retry says that it is one, and is done again")
def _(request: Request, ask: Ask) -> Answer:
    key = request.headers.get("Idempotency-Key")
    request.header("Idempotency-Key", None)
    answer = ask(request)
    if key in _keys:
        answer.headers["Idempotency-Replayed"] = "true"
    elif key:
        _keys.add(key)
    return answer


@about_requests("+writes", "If-Match is not looked at")
def _(request: Request) -> None:
    request.header("If-Match", None)


@about_answers("+problems", "no pointers")
def _(request: Request, answer: Answer) -> None:
    if "problem" in answer.headers.get("content-type", "") and "errors" in answer.document:
        answer.document = answer.document | {"errors": [{"pointer": ""} for _one in answer.document["errors"]]}


RELAY = "/relay/"


class Proxy:
    """Between the kit and the server: tells `lie`, or the truth when there is none. What the server tells the kit's
    receiver comes through here too: endpoints are made with an address of this proxy, and the kit does not know.
    """

    def __init__(self, address: str) -> None:
        self.server = urlsplit(address)
        self.lie: Lie | None = None
        self.client = "192.0.2.1"
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body)
                answer = proxy.bring(request) if self.path.startswith(RELAY) else proxy.tell(request)
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status not in (204, 304):
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD" and answer.status not in (204, 304):
                    self.wfile.write(answer.body)
                self.wfile.flush()

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = Listener(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def tell(self, request: Request) -> Answer:
        """What the kit is answered."""
        about_endpoints = "/webhook_endpoints" in request.target
        if about_endpoints:
            here = rf"{self.address}{RELAY}\1/".encode()
            request.body = re.sub(rb"http://127\.0\.0\.1:(\d+)/", here, request.body)
            if request.document.get("secret"):
                _secrets.append(request.document["secret"])
        answer = self.lie.tell(request, self.ask) if self.lie else self.ask(request)
        if about_endpoints:
            answer.body = re.sub(rf"{self.address}{RELAY}(\d+)/".encode(), rb"http://127.0.0.1:\1/", answer.body)
        return answer

    def bring(self, request: Request) -> Answer:
        """What the server is answered to a delivery. `ask` brings it to the kit."""
        port, _slash, path = request.target.removeprefix(RELAY).partition("/")
        request.target = f"/{path}"

        def ask(request: Request) -> Answer:
            return self.ask(request, f"http://127.0.0.1:{port}")

        try:
            return self.lie.send(request, ask) if self.lie and self.lie.send else ask(request)
        except ConnectionError:  # the test is over, and with it the receiver
            return Answer(503, Headers([]), b"")

    def ask(self, request: Request, address: str = "") -> Answer:
        """What the server answers; or who is at the address."""
        server = urlsplit(address) if address else self.server
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["X-Forwarded-For"] = self.client  # the limits of one lie are not those of the next
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(request.body))
        connection = http.client.HTTPConnection(str(server.hostname), server.port, timeout=60)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it read everything
                connection.request(request.method, request.target, body=request.body or None, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = Headers((name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP)
        return Answer(answer.status, kept, body)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class Watch:
    """In the place of pytest's own loop: each lie is told to the tests of its section, until one of them fails; the
    truth is told to that one, which must pass.
    """

    def __init__(self, proxy: Proxy, directory: Path) -> None:
        self.proxy = proxy
        self.server = Server(proxy.address, Directory.read(directory))
        self.caught: dict[str, dict[str, Any]] = {}
        self.passes: dict[pytest.Item, bool] = {}  # by the truth

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[plugin.SERVER] = self.server
        Subscriber.patience = PATIENCE

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for number, lie in enumerate(LIES):
            self.proxy.lie, self.proxy.client = lie, f"198.51.100.{number}"
            items = sorted(self.of(lie.section, session.items), key=lambda item, by=lie.by: by not in item.name)
            found = self.caught[f"{lie.section} {lie.sentence}"] = {"noticed": None, "passes": False}
            for item in items:
                if self.fails(item):
                    self.proxy.lie = None
                    if item not in self.passes:
                        self.tell_the_truth(item, session.items)
                    found.update(noticed=item.name, passes=self.passes[item])
                    break
        return True

    def tell_the_truth(self, item: pytest.Item, items: list[pytest.Item]) -> None:
        """To a test, and to those with which it shares what takes long to make."""
        shared = LONG.intersection(item.fixturenames)  # type: ignore[attr-defined]
        sharing = [one for one in items if shared.intersection(one.fixturenames)] or [item]  # type: ignore[attr-defined]
        for one, following in zip_longest(sharing, sharing[1:]):
            self.passes[one] = not self.fails(one, following)

    @staticmethod
    def of(section: str, items: list[pytest.Item]) -> list[pytest.Item]:
        """Its tests: each with its first values, then each with its second ones, and so on."""
        rounds: dict[str, list[pytest.Item]] = {}
        for item in items:
            if plugin.section_of(item) == section:
                rounds.setdefault(item.originalname, []).append(item)  # type: ignore[attr-defined]
        return [item for turn in zip_longest(*rounds.values()) for item in turn if item is not None]

    @staticmethod
    def fails(item: pytest.Item, following: pytest.Item | None = None) -> bool:
        """Whether the test fails in what it asks, not in what it needs to begin or when it tidies."""
        item._initrequest()  # type: ignore[attr-defined]  # as plugins that run a test again do
        reports = runtestprotocol(item, log=False, nextitem=following)
        return any(report.failed and report.when == "call" for report in reports)


def main(address: str, directory: str) -> dict[str, Any]:
    """By lie: the test that noticed it, if any, and whether that test passes by the truth, told by the same proxy."""
    proxy = Proxy(address)
    watch = Watch(proxy, Path(directory))
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        pytest.main(["-c", str(KIT / "pyproject.toml"), "-q", "--no-header", str(KIT)], [plugin, watch])
    finally:
        out, sys.stdout = sys.stdout, out
    watch.server.leave()
    proxy.close()
    return watch.caught


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
