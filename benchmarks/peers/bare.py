"""Peer (c), the bare limit: no framework, one statement, tuples, orjson. Knows no right but the admin's, and no filter.

PostgreSQL through psycopg with prepared statements, or SQLite through the standard library.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from absences.ical import absence_calendar, absence_uid
from rdv.api.times import wire_datetime

URL = urlsplit(os.environ["DATABASE_URL"])

_ROW = """
    SELECT a.id, a.agent_id, g.email, g.first_name, g.inclusion_connect_open_id_sub, g.last_name, a.created_at,
           a.end_day, a.end_time, a.first_day, o.id, o.email, o.name, o.phone_number, o.verticale,
           a.start_time, a.title, a.updated_at, a.version, {total}
    FROM {source} a
    JOIN agents_agent g ON g.id = a.agent_id
    LEFT JOIN agents_organisation o ON o.id = coalesce(a.organisation_id,
        (SELECT min(r.organisation_id) FROM agents_agentrole r WHERE r.agent_id = a.agent_id))
"""
_CALLER = """
    WITH visible AS MATERIALIZED (
        SELECT DISTINCT r.agent_id FROM agents_clienttoken t
        JOIN agents_agentrole mine ON mine.agent_id = t.agent_id AND mine.access_level = 'admin'
        JOIN agents_agentrole r ON r.organisation_id = mine.organisation_id
        WHERE t.client = %s AND t.digest = %s AND t.expires_at > %s AND t.revoked_at IS NULL)
"""
_VISIBLE = "agent_id IN (SELECT agent_id FROM visible)"
# IS TRUE keeps the planner from sorting all that is visible: the index is walked in the list's order instead.
LIST = (
    _CALLER
    + f""", page AS MATERIALIZED (
        SELECT * FROM absences_absence WHERE ({_VISIBLE}) IS TRUE AND EXISTS (SELECT 1 FROM visible)
        ORDER BY first_day DESC, start_time DESC, id DESC LIMIT 100)"""
    + _ROW.format(total=f"(SELECT count(*) FROM absences_absence WHERE {_VISIBLE})", source="page")
    + "ORDER BY a.first_day DESC, a.start_time DESC, a.id DESC"
)
SHOW = _CALLER + _ROW.format(total="1", source="absences_absence") + f"WHERE a.id = %s AND a.{_VISIBLE}"
CREATE = (
    _CALLER
    + """INSERT INTO absences_absence (agent_id, title, folded_title, first_day, start_time, end_day, end_time, version,
        created_at, updated_at)
        SELECT agent_id, %s, %s, %s, %s, %s, %s, 1, %s, %s FROM visible WHERE agent_id = %s RETURNING id"""
)
UPDATE = (
    _CALLER
    + """UPDATE absences_absence SET title = %s, folded_title = %s, version = version + 1, updated_at = %s
        WHERE id = %s AND agent_id IN (SELECT agent_id FROM visible) RETURNING id"""
)

if URL.scheme.startswith("postgres"):
    import psycopg

    _database = psycopg.connect(
        host=URL.hostname, port=URL.port, user=URL.username, dbname=URL.path[1:], autocommit=True, prepare_threshold=1
    )

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return _database.execute(sql, parameters).fetchall()

    def _same(value: Any) -> Any:
        return value

    to_date = to_time = to_moment = _same
else:
    import sqlite3

    _database = sqlite3.connect(unquote(URL.path[1:]), isolation_level=None, check_same_thread=False)
    _database.execute("PRAGMA journal_mode=WAL")
    _database.execute("PRAGMA cache_size=-32000")

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        plain = tuple(
            value.strftime("%Y-%m-%d %H:%M:%S")
            if isinstance(value, datetime.datetime)
            else str(value)
            if isinstance(value, datetime.date | datetime.time)
            else value
            for value in parameters
        )
        return _database.execute(sql.replace("%s", "?"), plain).fetchall()

    to_date = datetime.date.fromisoformat
    to_time = datetime.time.fromisoformat

    def to_moment(text: str) -> datetime.datetime:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def render(base: str, row: tuple[Any, ...]) -> dict[str, Any]:
    first_day, end_day = to_date(row[9]), to_date(row[7])
    start_time, end_time = to_time(row[15]), to_time(row[8])
    updated_at = to_moment(row[17])
    return {
        "id": row[0],
        "agent": {
            "id": row[1],
            "email": row[2],
            "first_name": row[3],
            "inclusion_connect_open_id_sub": row[4],
            "last_name": row[5],
        },
        "created_at": wire_datetime(to_moment(row[6])),
        "end_day": end_day.isoformat(),
        "end_time": end_time.isoformat("seconds"),
        "first_day": first_day.isoformat(),
        "ical": absence_calendar(
            row[0], row[16], first_day, start_time, end_day, end_time, updated_at, sequence=row[18] - 1
        ),
        "ical_uid": absence_uid(row[0]),
        "organisation": {
            "id": row[10],
            "email": row[11],
            "name": row[12],
            "phone_number": row[13],
            "verticale": row[14],
        },
        "rrule": None,
        "start_time": start_time.isoformat("seconds"),
        "title": row[16],
        "updated_at": wire_datetime(updated_at),
        "url": f"{base}/api/v1/absences/{row[0]}",
        "version": row[18],
    }


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, body = answer(environ)
    start_response(status, [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def answer(environ: dict[str, Any]) -> tuple[str, bytes]:
    now = datetime.datetime.now(datetime.UTC)
    caller = (
        environ.get("HTTP_CLIENT", ""),
        sha256(environ.get("HTTP_ACCESS_TOKEN", "").encode()).hexdigest(),
        now,
    )
    base = f"http://{environ['HTTP_HOST']}"
    parts = environ["PATH_INFO"].strip("/").split("/")
    pk = int(parts[3]) if len(parts) > 3 else None
    match environ["REQUEST_METHOD"], pk:
        case "GET", None:
            rows = query(LIST, caller)
            if not rows:
                return "401 Unauthorized", b'{"errors":["Vous devez vous connecter ou vous inscrire pour continuer."]}'
            total = rows[0][-1]
            meta = {
                "current_page": 1,
                "next_page": 2 if total > 100 else None,
                "prev_page": None,
                "total_pages": -(-total // 100),
                "total_count": total,
            }
            return "200 OK", orjson.dumps({"absences": [render(base, row) for row in rows], "meta": meta})
        case "GET", _:
            rows = query(SHOW, (*caller, pk))
        case "POST", _:
            sent = orjson.loads(environ["wsgi.input"].read())
            first, end = (datetime.date.fromisoformat(sent[name]) for name in ("first_day", "end_day"))
            start, stop = (datetime.time.fromisoformat(sent[name]) for name in ("start_time", "end_time"))
            if not sent["title"].strip() or (first, start) >= (end, stop):
                return "422 Unprocessable Entity", b"{}"
            title = sent["title"].strip()
            made = query(CREATE, (*caller, title, title.lower(), first, start, end, stop, now, now, sent["agent_id"]))
            rows = query(SHOW, (*caller, made[0][0])) if made else []
        case _:
            sent = orjson.loads(environ["wsgi.input"].read())
            made = query(UPDATE, (*caller, sent["title"], sent["title"].lower(), now, pk))
            rows = query(SHOW, (*caller, pk)) if made else []
    if not rows:
        return "403 Forbidden", b"{}"
    return "200 OK", orjson.dumps({"absence": render(base, rows[0])})
