"""All that may be asked of an answer beside what it shows, at once and by chance: forms, validators, preferences,
compression, retries, versions. Whatever comes together, the promises of each hold.
"""

from __future__ import annotations

import gzip
import json
import random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from absences.models import Absence
from agents.models import AccessKey
from rdv.api.models import KeptAnswer
from tests.factories import AbsenceFactory
from tests.observing import Door, by, door_of_a_server

ROUNDS = 150
NEW = {"title": "Formation", "first_day": "2026-12-10", "start_time": "09:00", "end_time": "12:30"}
PREFIXES = ("/api/v1", "/api/1", "/api/latest", "/api")
READ = ("/absences", "/absences/{row}", "/agents", "/organisations", "/organisations/{place}", "/services", "/tokens")
READ += ("/tokens/{key}", "/me", "/token", "/audit", "/absences/0", "/absences/{far}", "/nulle-part")
READ += ("/openapi.json", "")
QUERIES = (
    *("prettify=1", "prettify=true", "prettify=0", "fields=id", "fields=id,title", "expand=agent.services", "sort=-id"),
    *("sort=title&cursor=", "q=form", "agnet_id=1", "%C3%A9t%C3%A9=1", "per=2", "page=9", "sort=zzz", "cursor=zzz"),
)
HEADERS: dict[str, tuple[str, ...]] = {
    "HTTP_ACCEPT": (
        *("application/json", "*/*", "application/problem+json", "application/json;profile=envelope"),
        *("application/json;profile=envelope, application/problem+json", "text/html;profile=x"),
    ),
    "HTTP_ACCEPT_LANGUAGE": ("en", "fr", "de"),
    "HTTP_ACCEPT_ENCODING": ("gzip", "gzip;q=0", "*", "br"),
    "HTTP_PREFER": ("return=minimal", "return=representation", "handling=strict", "handling=strict, return=minimal"),
    "HTTP_X_API_VERSION": ("1", "latest", "9"),
    "HTTP_X_REQUEST_ID": ("3f0c9a52-1d6e-4b8e-9a57-6f1f0a7f4c1d", "nonsense"),
    "HTTP_IF_MATCH": ("*", '"1.1"', 'W/"x"'),
    "HTTP_ORIGIN": ("https://ailleurs.example",),
}


@pytest.fixture
def door(db: None, settings: Any) -> Any:
    settings.RDV_GZIP = True
    with door_of_a_server() as door:
        yield door


@pytest.fixture
def things(cast: SimpleNamespace) -> dict[str, int]:
    key, _secret = AccessKey.make(cast.martine, name="Nuit")
    AbsenceFactory.create_batch(4, agent=cast.bruno, title="Formation longue " * 9)
    return {
        "row": AbsenceFactory(agent=cast.bruno, title="Congés d'été").pk,
        "far": AbsenceFactory(agent=cast.etienne).pk,
        "place": cast.mds.pk,
        "key": key.pk,
    }


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_read_keeps_its_promises(
    door: Door, cast: SimpleNamespace, sign_in: Any, things: dict[str, int], seed: int
) -> None:
    chance = random.Random(seed)
    credential = by(sign_in(cast.martine))
    for _round in range(ROUNDS):
        path = chance.choice(PREFIXES) + chance.choice(READ).format(**things)
        query = "&".join(chance.sample(QUERIES, chance.randrange(4)))
        headers = _some(chance) | (credential if chance.random() < 0.9 else {})
        asked = f"{path}?{query}", headers
        answer = status, told, body = door.ask("GET", asked[0], **headers)
        _whole(asked, answer)
        if told.get("X-Request-Id") and headers.get("HTTP_X_REQUEST_ID", "").startswith("3f0c"):
            assert told["X-Request-Id"] == headers["HTTP_X_REQUEST_ID"], asked
        # Asked again it is the same, but for what each request has of its own.
        again = door.ask("GET", asked[0], **headers)
        assert (again[0], again[1].get("ETag")) == (status, told.get("ETag")), asked
        if again[1].get("ETag", "").startswith('"'):
            assert again[2] == body, asked
        head = door.ask("HEAD", asked[0], **headers)
        assert head[0] == status, asked
        own = {"X-Runtime", "X-Request-Id"}
        if "Content-Encoding" in told and "profile=envelope" in told["Content-Type"]:
            own.add("Content-Length")  # of an envelope, whose id is another, in gzip
        same = ({name: value for name, value in one.items() if name not in own} for one in (head[1], told))
        assert next(same) == next(same), asked
        if status == 200:
            for method in ("GET", "HEAD"):
                unchanged = door.ask(method, asked[0], **headers, HTTP_IF_NONE_MATCH=told["ETag"])
                assert (unchanged[0], unchanged[2]) == (304, b""), asked
                assert "Content-Length" not in unchanged[1], asked
                assert "Content-Type" not in unchanged[1], asked
                for name in ("ETag", "Vary", "Cache-Control", "access-token"):
                    assert unchanged[1].get(name) == told.get(name), (asked, name)
            other = door.ask("GET", asked[0], **headers, HTTP_IF_NONE_MATCH='"autre", W/"autre-gzip"')
            assert other[0] == 200, asked


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_keeps_its_promises(
    door: Door, cast: SimpleNamespace, sign_in: Any, things: dict[str, int], seed: int
) -> None:
    chance = random.Random(seed)
    credential = by(sign_in(cast.martine))
    for number in range(ROUNDS):
        prefix, row = chance.choice(PREFIXES), AbsenceFactory(agent=cast.bruno, title="Avant").pk
        method, path, body = chance.choice(
            (
                ("POST", "/absences", NEW | {"agent_id": cast.bruno.pk}),
                ("POST", "/absences", NEW | {"agent_id": cast.etienne.pk}),
                ("POST", "/absences", {"title": "", "first_day": "hier"}),
                ("PATCH", f"/absences/{row}", {"title": "Après"}),
                ("PUT", f"/absences/{row}", {"end_time": "rien"}),
                ("DELETE", f"/absences/{row}", None),
                ("DELETE", f"/absences/{things['far']}", None),
                ("PATCH", f"/organisations/{things['place']}", {"phone_number": f"01 {number}"}),
                ("PATCH", f"/tokens/{things['key']}", {"note": f"note {number}"}),
                ("POST", "/tokens", {"name": "Encore"}),
            )
        )
        query = "&".join(chance.sample(QUERIES, chance.randrange(4)))
        headers = _some(chance) | (credential if chance.random() < 0.95 else {})
        if chance.random() < 0.7:
            headers["HTTP_IDEMPOTENCY_KEY"] = f"{seed}-{number}" if chance.random() < 0.9 else "\x01"
        sent = json.dumps(body).encode() if body is not None else b""
        asked = f"{method} {prefix}{path}?{query}", headers, body
        answer = status, told, shown = door.ask(method, f"{prefix}{path}?{query}", sent, **headers)
        _whole(asked, answer)
        assert status != 304, asked
        assert "Content-Encoding" not in told, asked
        if "return=minimal" in told.get("Preference-Applied", ""):
            assert (status, shown) == (204, b""), asked
            assert "ETag" in told, asked
        if path == "/tokens" and status == 200:
            assert told["Cache-Control"] == "no-store", asked
        before = set(Absence.objects.values_list("pk", "title"))
        again = door.ask(method, f"{prefix}{path}?{query}", sent, **headers)
        _whole(asked, again)
        if told.get("Idempotency-Replayed"):
            raise AssertionError(f"{asked} was never sent before")
        if again[1].get("Idempotency-Replayed"):
            assert set(Absence.objects.values_list("pk", "title")) == before, asked
            for name in ("Content-Type", "ETag", "Location", "Preference-Applied", "X-Unknown-Parameters"):
                assert again[1].get(name) == told.get(name), (asked, name)
            assert (again[0], _without_id(again)) == (status, _without_id(answer)), asked
        elif "HTTP_IDEMPOTENCY_KEY" in headers and path != "/tokens":
            # Refused before anything, or for a reason that may pass.
            assert status in (400, 401, 403, 404, 422, 428), (asked, status)
    kept = "".join(map(str, KeptAnswer.objects.values_list("headers", "body")))
    for secret in credential.values():
        assert secret not in kept or "@" in secret  # the uid is an email
    assert '"secret"' not in kept


def _some(chance: random.Random) -> dict[str, str]:
    return {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.3}


def _without_id(answer: Any) -> Any:
    _status, told, body = answer
    if not body:
        return None
    document = json.loads(body)
    if told["Content-Type"].startswith("application/problem+json"):
        return document | dict.fromkeys(("instance", "request_id"))
    return document | {"id": None} if "profile=envelope" in told["Content-Type"] else document


def _whole(asked: Any, answer: tuple[int, dict[str, str], bytes]) -> None:
    """What is true of every answer."""
    status, told, body = answer
    accept, varies = asked[1].get("HTTP_ACCEPT", ""), [name.strip() for name in told.get("Vary", "").split(",")]
    assert status < 500, asked
    UUID(told["X-Request-Id"])
    assert len(varies) == len(set(varies)), (asked, varies)
    assert "Accept-Language" in varies, asked
    if status == 204:
        assert not body, asked
        assert told.get("Content-Length") in (None, "0"), asked
        assert "Content-Type" not in told, asked
        return
    assert told["Content-Length"] == str(len(body)), asked
    if "Content-Encoding" in told:
        assert "gzip" in asked[1].get("HTTP_ACCEPT_ENCODING", "") or asked[1]["HTTP_ACCEPT_ENCODING"] == "*", asked
        assert "Accept-Encoding" in varies, asked
        body = gzip.decompress(body)
    kind, document = told["Content-Type"], json.loads(body)
    pretty = any(f"prettify={value}" in asked[0] for value in ("1", "true"))
    if asked[0].count("prettify") == 1:
        assert body.endswith(b"\n") == pretty, asked
    if "profile=envelope" in kind:
        assert "profile=envelope" in accept, asked
        assert "Accept" in varies, asked
        assert list(document) == ["action", "id", "result", "data", "errorDetails"], asked
        assert document["id"] == told["X-Request-Id"], asked
        assert document["result"] == ("error" if status >= 400 else "success"), asked
        assert document["errorDetails" if status < 400 else "data"] is None, asked
    elif kind == "application/problem+json":
        assert status >= 400, asked
        assert "problem+json" in accept, asked
        assert "Accept" in varies, asked
        # One that is answered again is the one that happened then.
        assert document["request_id"] == told["X-Request-Id"] or "Idempotency-Replayed" in told, asked
        assert document["status"] == status, asked
    else:
        assert kind == "application/json; charset=utf-8", asked
        if status < 400:
            assert "profile=envelope" not in accept, asked
    if status >= 400:
        assert "ETag" not in told, asked
    if "public" in told.get("Cache-Control", ""):
        assert status == 200, asked
        assert "Accept" in varies, asked
        secrets = {asked[1].get(name) for name in ("HTTP_ACCESS_TOKEN", "HTTP_CLIENT", "HTTP_UID")}
        assert not secrets & set(told.values()), asked
        assert not {"access-token", "client", "uid", "Set-Cookie"} & set(told), asked
    if "X-Unknown-Parameters" in told or "Preference-Applied" in told:
        assert "Prefer" in varies, asked
    if told.get("X-API-Version") and not any(f" {p}/" in f" {asked[0]}" for p in PREFIXES[:3]):
        assert "X-API-Version" in varies, asked
