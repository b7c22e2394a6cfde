"""Secrets stay where they belong: planted ones are looked for in all that was written; what is stored opens nothing.

A server is driven through everything that takes or gives a secret, right and wrong; then what it wrote is searched:
its log, its mails, its pages, its answers, its rows, the commands' output.
"""

from __future__ import annotations

import ast
import base64
import datetime
import email
import email.policy
import hashlib
import hmac
import io
import json
import logging
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
import pytest
import requests
from django.conf import settings as live_settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter, get_exception_reporter_class

from agents import tokens
from agents.authentication import shared_secret, signature
from agents.models import Agent, ClientToken
from agents.models.credentials import ClientTokenQuerySet
from rdv.sessions import SessionStore, row_key

from .factories import PASSWORD, AgentFactory
from .server import PATIENCE, Server, fresh_database

ROOT = Path(__file__).resolve().parent.parent
API = "/api/v1"
TARGET = "https://app.agence.test"
MARTINE, BRUNO, ODILE = "martine@agence.test", "bruno@agence.test", "odile@agence.test"
STORED_HASH = "argon2$canari-du-hachage"
HASH = re.compile(r"argon2\$\S+")
ROWS = """
import json
from django.db import connection
with connection.cursor() as cursor:
    rows = {}
    for table in connection.introspection.table_names(cursor):
        cursor.execute(f'SELECT * FROM "{table}"')
        names = [column[0] for column in cursor.description]
        rows[table] = [dict(zip(names, map(str, row))) for row in cursor.fetchall()]
print(json.dumps(rows))
"""


class Planted(dict[str, str]):
    """The secrets by name; `plant` keeps one and gives it back."""

    def plant(self, name: str, secret: str) -> str:
        assert len(secret) >= 12, name
        self[name] = secret
        return secret

    def found_in(self, text: str, *, but: tuple[str, ...] = ()) -> list[str]:
        """The names of those that `text` shows, as they are, escaped in an address or in JSON."""
        plain = text + "\n" + unquote(text)
        return [name for name, secret in self.items() if secret in plain and name not in but]


# A real server, watched.


class Watch:
    """What was planted, and what was written: `written` by where."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.planted = Planted()
        self.written: list[tuple[str, str]] = []
        self.rows: dict[str, list[dict[str, str]]] = {}
        self.admin = requests.Session()
        self.token: dict[str, str] = {}

    def ask(
        self, method: str, path: str, *, status: int, by: requests.Session | None = None, **more: Any
    ) -> requests.Response:
        """An answer of the status given, noted with its headers but for those in which credentials are given."""
        answer = (by or requests).request(method, self.server.address + path, allow_redirects=False, timeout=30, **more)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:500])
        given = ("access-token", "set-cookie", *(("location",) if "auth/password/edit" in path else ()))
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in given}
        self.written.append((f"answer to {method} {path}", f"{headers}\n{answer.text}"))
        return answer

    def mails(self) -> str:
        """What was sent by mail, its encoding for the transport undone."""
        files = [file.read_bytes() for file in (self.folder / "mails").glob("*")]
        sent = [email.message_from_bytes(file, policy=email.policy.default) for file in files]
        return "".join(f"{message.items()}\n{message.get_content()}" for message in sent)

    def command(self, *arguments: str, stdin: str | None = None, refused: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.server.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is refused, done.stdout + done.stderr
        return done.stdout + done.stderr


def directory(planted: Planted) -> dict[str, Any]:
    role = {"organisation": "MDS", "access_level": "admin"}
    return {
        "territories": [{"name": "Paris", "departement_number": "75"}],
        "services": [{"name": "PMI", "short_name": "PMI"}],
        "organisations": [{"name": "MDS", "departement_number": "75"}],
        "agents": [
            {"email": MARTINE, "password": planted["password of Martine"], "roles": [role], "services": ["PMI"]},
            {"email": BRUNO, "password": planted["password of Bruno"], "roles": [{"organisation": "MDS"}]},
        ],
        "absences": [],
    }


def by_commands(watch: Watch) -> None:
    planted = watch.planted
    planted.plant("password of Martine", "Canari-de-Martine 1 !")
    planted.plant("password of Bruno", "Canari-de-Bruno 2 !")
    file = directory(planted)
    for options in ((), ("--dry-run",)):
        told = watch.command("provision", "-", *options, stdin=json.dumps(file))
        watch.written.append(("provision", told))
    unreadable = planted.plant("password of a file that is not JSON", "Canari-de-fichier 3 !")
    watch.written.append(
        (
            "provision, not JSON",
            watch.command(
                "provision", "-", stdin=json.dumps({"agents": [{"password": unreadable}]})[:-3] + " oops", refused=True
            ),
        )
    )
    wrong = planted.plant("password of a wrong file", "Canari-de-travers 4 !")
    file["agents"][1] |= {"password": [wrong], "services": ["Nowhere"], "passwort": wrong}
    told = watch.command("provision", "-", stdin=json.dumps(file), refused=True)
    watch.written.append(("provision, refused", told))
    code = f"from agents.models import Agent; Agent.objects.create_superuser({ODILE!r}, input())"
    told = watch.command("shell", "-c", code, stdin=planted.plant("password of Odile", "Canari-d'Odile 5 !"))
    watch.written.append(("shell", told))


def by_api(watch: Watch) -> None:
    planted = watch.planted
    right = {"email": MARTINE, "password": planted["password of Martine"]}
    wrong = {"email": MARTINE, "password": planted.plant("wrong password, JSON", "Canari-faux-json 6 !")}
    form = {"email": MARTINE, "password": planted.plant("wrong password, form", "Canari-faux-formulaire 7 !")}
    query = {"email": MARTINE, "password": planted.plant("wrong password, query", "Canari-faux-adresse")}
    path = f"{API}/auth/sign_in"
    watch.ask("POST", path, status=401, json=wrong)
    watch.ask("POST", path, status=401, data=form)
    watch.ask("POST", path, status=401, params=query)
    watch.ask("POST", path, status=401, files={"email": (None, MARTINE), "password": (None, form["password"])})
    watch.ask("POST", path, status=401, json={"email": "nobody@agence.test", "password": wrong["password"]})
    broken = json.dumps(wrong)[:-1] + " oops"
    watch.ask("POST", path, status=400, data=broken, headers={"Content-Type": "application/json"})
    watch.ask("PATCH", path, status=405, json=right)

    def triple_of(answer: requests.Response) -> dict[str, str]:
        return {name: answer.headers[name] for name in ("access-token", "client", "uid")}

    watch.token = triple = triple_of(watch.ask("POST", path, status=200, json=right))
    planted.plant("access-token", triple["access-token"])
    bearer = base64.b64encode(json.dumps(triple).encode()).decode()
    planted.plant("Authorization", bearer)
    forged = planted.plant("access-token that is wrong", "Canari_de_jeton_faux_0")
    stale = base64.b64encode(json.dumps(triple | {"access-token": forged}).encode()).decode()
    planted.plant("Authorization that is wrong", stale)
    for resource in ("/me", "/absences", "/agents", "/organisations", "/services", "/auth/validate_token"):
        watch.ask("GET", API + resource, status=200, headers=triple)
        watch.ask("GET", API + resource, status=200, headers={"Authorization": f"Bearer {bearer}"})
        watch.ask("GET", API + resource, status=401, headers=triple | {"access-token": forged})
        watch.ask("GET", API + resource, status=401, headers={"Authorization": f"Bearer {stale}"})
    login = f"{watch.server.address}/api/auth/login"
    watch.ask("POST", "/api/auth/login", status=401, json=wrong)
    web_token = planted.plant("JSON Web Token", requests.post(login, json=right, timeout=30).json()["access_token"])
    claims = jwt.decode(web_token, options={"verify_signature": False})
    planted.plant("identifier of a JSON Web Token", claims["jti"])
    for given, status in ((web_token, 200), (web_token[:-9] + web_token[:9], 401)):
        watch.ask("GET", f"{API}/me", status=status, headers={"Authorization": f"Bearer {given}"})
    watch.command("rotate_signing_keys")
    watch.ask("GET", "/.well-known/jwks.json", status=200)
    watch.ask("GET", f"{API}/nowhere", status=404, headers=triple)
    watch.ask("GET", f"{API}/absences/0", status=404, headers=triple)
    watch.ask("POST", f"{API}/absences", status=422, headers=triple, json={"agent_email": MARTINE, "first_day": "x"})
    watch.ask("POST", f"{API}/absences", status=400, headers=triple | {"Content-Type": "application/json"}, data="{")
    watch.ask("GET", f"{API}/me", status=400, headers=triple | {"Host": "elsewhere.test"})

    secret = planted["RDV_SHARED_SECRET"]
    martine = watch.ask("GET", f"{API}/me", status=200, headers=triple).json()["agent"]
    identity = {key: martine[key] for key in ("id", "first_name", "last_name", "email")}
    vouched = signature(Agent(pk=identity.pop("id"), **identity), secret)
    planted.plant("X-Agent-Auth-Signature", vouched)
    forged = planted.plant("signature that is wrong", hashlib.sha256(b"canari").hexdigest())
    watch.ask("GET", f"{API}/me", status=200, headers={"X-Agent-Auth-Signature": vouched, "uid": MARTINE})
    watch.ask("GET", f"{API}/me", status=401, headers={"X-Agent-Auth-Signature": forged, "uid": MARTINE})


def by_mail(watch: Watch) -> None:
    planted = watch.planted
    asked, until = {"email": BRUNO, "redirect_url": TARGET}, time.monotonic() + PATIENCE
    watch.ask("POST", f"{API}/auth/password", status=200, json=asked)
    watch.ask("POST", f"{API}/auth/password", status=422, json=asked | {"redirect_url": "https://elsewhere.test"})
    link = re.search(r"/api/v1/auth/password/edit\?(\S+)", watch.mails())
    while link is None:  # it leaves in the background
        assert time.monotonic() < until, watch.server.log
        watch.ask("GET", f"{API}/auth/sign_in", status=405)
        link = re.search(r"/api/v1/auth/password/edit\?(\S+)", watch.mails())
    (token,) = parse_qs(link[1])["reset_password_token"]
    planted.plant("reset-password token", token.partition("-")[2])
    answer = watch.ask("GET", f"{API}/auth/password/edit?{link[1]}", status=302)
    query = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    triple = {name: query[name] for name in ("access-token", "client", "uid")}
    planted.plant("access-token of the link", query["token"])
    watch.ask("GET", f"{API}/auth/password/edit?reset_password_token={token}x&redirect_url={TARGET}", status=404)
    new, weak = "Canari-nouveau 8 !", "canari-trop-faible"
    planted.plant("new password", new)
    planted.plant("weak password", weak)
    both = {"password": weak, "password_confirmation": weak}
    watch.ask("PUT", f"{API}/auth/password", status=422, headers=triple, json=both)
    watch.ask("PUT", f"{API}/auth/password", status=422, headers=triple, json=both | {"password_confirmation": new})
    both = {"password": new, "password_confirmation": new}
    watch.ask("PUT", f"{API}/auth/password", status=200, headers=triple, json=both)
    watch.ask("DELETE", f"{API}/auth/sign_out", status=200, headers=triple)


def form_token(answer: requests.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.text)
    assert found
    return found[1]


def by_pages(watch: Watch) -> None:
    planted, browser = watch.planted, watch.admin
    wrong = planted.plant("wrong password, page", "Canari-faux-page 9 !")
    page = watch.ask("GET", "/admin/login/", status=200, by=browser)
    planted.plant("CSRF secret of a stranger", browser.cookies["csrftoken"])
    typed = {"username": ODILE, "password": wrong, "csrfmiddlewaretoken": form_token(page), "next": "/admin/"}
    watch.ask("POST", "/admin/login/", status=200, by=browser, data=typed)
    watch.ask("POST", "/admin/login/", status=403, data=typed)
    watch.ask("POST", "/admin/login/", status=302, by=browser, data=typed | {"password": planted["password of Odile"]})
    planted.plant("session", browser.cookies["sessionid"])
    planted.plant("CSRF secret", browser.cookies["csrftoken"])

    found = crawl(watch)
    assert {"/admin/axes/accessattempt/", "/admin/agents/clienttoken/", "/admin/absences/absence/"} <= found
    assert any(re.fullmatch(r"/admin/agents/agent/\d+/history/", path) for path in found)
    agents = watch.ask("GET", f"{API}/agents", status=200, headers=watch.token).json()["agents"]
    (bruno,) = [agent["id"] for agent in agents if agent["email"] == BRUNO]
    change = reverse("admin:auth_user_password_change", args=(bruno,))
    assert change in found
    new = planted.plant("password given on a page", "Canari-donné 10 !")
    token = form_token(watch.ask("GET", change, status=200, by=browser))
    typed = {"password1": new, "password2": wrong, "usable_password": "true", "csrfmiddlewaretoken": token}
    watch.ask("POST", change, status=200, by=browser, data=typed)
    watch.ask("POST", change, status=302, by=browser, data=typed | {"password2": new})
    planted.plant("session, renewed", browser.cookies["sessionid"])
    own = {"old_password": wrong, "new_password1": new, "new_password2": new, "csrfmiddlewaretoken": token}
    watch.ask("POST", "/admin/password_change/", status=200, by=browser, data=own)
    crawl(watch)


def by_own_pages(watch: Watch) -> None:
    """An agent's own pages, and the key that is made there; those of an account, on the administration pages."""
    planted, browser = watch.planted, requests.Session()
    wrong = planted.plant("wrong password, own page", "Canari-faux-chez-soi 12 !")
    page = watch.ask("GET", "/connexion", status=200, by=browser)
    typed = {"username": MARTINE, "password": wrong, "csrfmiddlewaretoken": form_token(page)}
    watch.ask("POST", "/connexion", status=200, by=browser, data=typed)
    right = planted["password of Martine"]
    watch.ask("POST", "/connexion", status=302, by=browser, data=typed | {"password": right})
    planted.plant("session of an agent", browser.cookies["sessionid"])
    make_key(watch, browser, "/cles/nouvelle", "key made on a page")
    for path in ("/cles", "/cles/nouvelle", "/activite", "/deconnexion/partout", "/connexion"):
        watch.ask("GET", path, status=302 if path == "/connexion" else 200, by=browser)
    secret = planted["key made on a page"]
    for carrier in ({"Authorization": f"Bearer {secret}"}, {"X-Api-Key": secret}):
        watch.ask("GET", f"{API}/me", status=200, headers=carrier)
    watch.ask("GET", f"{API}/me", status=401, headers={"X-API-Token": planted.plant("wrong key", secret[:-1] + "?")})
    guess = {"secret": planted.plant("wrong secret of a first administrator", "canari_premier_secret")}
    watch.ask("POST", "/premier-administrateur", status=403, by=browser, data=guess | {"csrfmiddlewaretoken": "x"})

    add = "/admin/agents/apiaccount/add/"
    form = {f"{rows}-{count}_FORMS": "0" for rows in ("roles", "grants") for count in ("TOTAL", "INITIAL")}
    form["csrfmiddlewaretoken"] = form_token(watch.ask("GET", add, status=200, by=watch.admin))
    answer = watch.ask("POST", add, status=302, by=watch.admin, data=form | {"name": "Intranet", "_continue": "1"})
    making = answer.headers["Location"].replace("/change/", "/key/")
    make_key(watch, watch.admin, making, "key of an account")
    crawl(watch)


def make_key(watch: Watch, browser: requests.Session, path: str, name: str) -> None:
    """Plants the key; the answer that shows it, as it must, is not noted."""
    page = watch.ask("GET", path, status=200, by=browser)
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once
    form = {"name": "Nuit", "end": "30", "access": "true", "which_resources": "all", "which_organisations": "all"}
    form |= {"once": once[1], "csrfmiddlewaretoken": form_token(page)}
    answer = browser.post(watch.server.address + path, form, timeout=30)
    assert "no-store" in answer.headers["Cache-Control"]
    found = re.search(r"rdv_(?:pat|api)_\w{36}", answer.text)
    assert found, answer.text
    watch.planted.plant(name, found[0])


def crawl(watch: Watch) -> set[str]:
    """Every page that a superuser reaches by links, each noted."""
    seen: set[str] = set()
    ahead = ["/admin/"]
    while ahead:
        path = ahead.pop()
        if path in seen or "logout" in path:
            continue
        seen.add(path)
        answer = watch.admin.get(watch.server.address + path, allow_redirects=False, timeout=30)
        assert answer.status_code in (200, 302), (path, answer.status_code)
        watch.written.append((f"page {path}", answer.text))
        for link in re.findall(r'href="([^"#]+)"', answer.text):
            target = urlsplit(requests.compat.urljoin(f"http://x{path}", link.replace("&amp;", "&")))
            # Another order or filter of the same list shows nothing else: the bare list and a page of its filters do.
            if target.netloc == "x" and target.path.startswith("/admin/") and not target.query:
                ahead.append(target.path)
    return seen


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """A server that was driven through everything, and stopped."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "mails").mkdir()
    planted = Planted()
    with fresh_database(folder) as database:
        if database.startswith("postgres") and "@" in database:  # a server that trusts this machine takes any password
            user, host = database.split("@")
            if ":" not in user.removeprefix("postgres://"):
                database = f"{user}:{planted.plant('password of the database', 'canari-de-base-11')}@{host}"
        server = Server(
            folder,
            database,
            RDV_LOG_LEVEL="DEBUG",
            RDV_LOG_FORMAT="json",
            RDV_ACCESS_LOG="json",
            RDV_METRICS_TOKEN=planted.plant("RDV_METRICS_TOKEN", "canari-des-mesures-123"),
            SERVER_LOG_LEVEL="debug",
            RDV_SECRET_KEY=planted.plant("RDV_SECRET_KEY", "canari-de-clef-" + "k" * 50),
            RDV_SHARED_SECRET=planted.plant("RDV_SHARED_SECRET", "canari-de-secret-partage"),
            RDV_SIGN_IN_LIMIT="500/15m",
            RDV_REDIRECT_ORIGINS=TARGET,
            EMAIL_URL=f"filemail:///{folder / 'mails'}",
        )
        watch = Watch(server, folder)
        watch.planted.update(planted)
        try:
            server.start()
            by_commands(watch)
            by_api(watch)
            by_mail(watch)
            by_pages(watch)
            by_own_pages(watch)
            token = planted["RDV_METRICS_TOKEN"]
            watch.ask("GET", "/metrics", status=401, headers={"Authorization": f"Bearer {token}x"})
            watch.ask("GET", "/metrics", status=200, headers={"Authorization": f"Bearer {token}"})
            watch.rows = json.loads(server.manage("shell", "--no-imports", "-c", ROWS).strip().splitlines()[-1])
            yield watch
        finally:
            server.stop()


@pytest.mark.live
@pytest.mark.any_database
def test_no_secret_is_in_an_answer_a_page_or_a_commands_output(watch: Watch) -> None:
    found = [(where, names) for where, text in watch.written if (names := watch.planted.found_in(text))]
    assert found == []
    assert len([where for where, _text in watch.written if where.startswith("page")]) > 40


@pytest.mark.live
@pytest.mark.any_database
def test_no_hash_nor_digest_is_in_an_answer_a_page_or_a_commands_output(watch: Watch) -> None:
    hidden = {row["password"] for row in watch.rows["agents_agent"]} | digests(watch)
    hidden |= {row["session_key"] for row in watch.rows["django_session"]}
    assert len(hidden) > 5
    assert [where for where, text in watch.written if any(value in text for value in hidden)] == []


@pytest.mark.live
@pytest.mark.any_database
def test_no_secret_hash_nor_digest_is_in_the_log(watch: Watch) -> None:
    log = watch.server.log
    assert watch.planted.found_in(log) == []
    assert HASH.findall(log) == []
    assert [value for value in digests(watch) if value in log] == []
    assert "login failure" in log, "failures were to be logged"


@pytest.mark.live
@pytest.mark.any_database
def test_each_request_is_a_line_that_names_nobody_and_has_no_address(watch: Watch) -> None:
    lines = [json.loads(line) for line in watch.server.log.splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["logger"] == "rdv.access"]
    assert len(asked) >= len([where for where, _text in watch.written if where.startswith("answer to")])
    assert {line["status"] for line in asked} >= {200, 302, 400, 401, 404, 405, 422}
    assert {line["credential"] for line in asked} >= {"token", "shared_secret", "session", None}
    written = json.dumps(asked)
    assert not [who for who in (MARTINE, BRUNO, ODILE, "@", "?") if who in written]


@pytest.mark.live
@pytest.mark.any_database
def test_what_prometheus_is_told_has_no_secret(watch: Watch) -> None:
    _refused, told = [text for where, text in watch.written if where == "answer to GET /metrics"]
    assert "rdv_requests_total" in told
    assert watch.planted.found_in(told) == []


@pytest.mark.live
@pytest.mark.any_database
def test_no_mail_has_a_secret_but_the_link_in_the_mail_that_is_for_it(watch: Watch) -> None:
    assert watch.planted.found_in(watch.mails()) == ["reset-password token"]


@pytest.mark.live
@pytest.mark.any_database
def test_no_row_keeps_a_secret(watch: Watch) -> None:
    assert {"agents_agent", "agents_clienttoken", "axes_accessattempt", "django_session", "rdv_cache"} <= set(
        watch.rows
    )
    assert {"django_admin_log", "agents_recordentry"} <= {table for table, rows in watch.rows.items() if rows}
    found = [
        (table, column, names)
        for table, rows in watch.rows.items()
        for row in rows
        for column, value in row.items()
        if (names := watch.planted.found_in(value))
    ]
    assert found == []


@pytest.mark.live
@pytest.mark.any_database
def test_hashes_and_digests_are_in_their_own_columns_alone(watch: Watch) -> None:
    hidden = {row["password"] for row in watch.rows["agents_agent"]} | digests(watch)
    hidden |= {row_key(watch.planted["session, renewed"])} | {
        tokens.digest(secret) for secret in watch.planted.values()
    }
    where = {
        (table, column)
        for table, rows in watch.rows.items()
        for row in rows
        for column, value in row.items()
        if any(part in value for part in hidden)
    }
    assert where == {
        ("agents_accesskey", "digest"),
        ("agents_agent", "password"),
        ("agents_clienttoken", "digest"),
        ("agents_firstsecret", "digest"),
        ("django_session", "session_key"),
    }


def digests(watch: Watch) -> set[str]:
    columns = ("digest", "previous_digest", "last_digest")
    of_tokens = {row[name] for row in watch.rows["agents_clienttoken"] for name in columns} - {"None"}
    return of_tokens | {
        row["digest"] for table in ("agents_accesskey", "agents_firstsecret") for row in watch.rows[table]
    }


@pytest.mark.live
@pytest.mark.any_database
def test_stolen_rows_sign_nobody_in(watch: Watch) -> None:
    """Every value of every column, but for those too short for a secret, in every place where one is asked for; the
    right ones are taken meanwhile.
    """
    stolen = {value for rows in watch.rows.values() for row in rows for value in row.values()}
    stolen |= {part for value in stolen for part in re.split(r"[:$]", value) if len(part) > 15}
    sendable = sorted(value for value in stolen if len(value) > 7 and value.isascii() and value.isprintable())
    assert len(sendable) > 100
    agent = next(row for row in watch.rows["agents_agent"] if row["email"] == MARTINE)
    address, ours = watch.server.address, {"uid": MARTINE, "client": watch.token["client"]}
    with requests.Session() as thief:
        thief.trust_env = False

        def status(path: str, **headers: str) -> int:
            thief.cookies.clear()
            return thief.get(address + path, headers=headers, allow_redirects=False, timeout=30).status_code

        for value in sendable:
            bearer = base64.b64encode(json.dumps(ours | {"access-token": value}).encode()).decode()
            cookie = f"sessionid={value}"
            reset = f"{API}/auth/password/edit?reset_password_token={agent['id']}-{value}&redirect_url={TARGET}"
            tried = {
                "token": status(f"{API}/me", **ours, **{"access-token": value.strip()}),
                "bearer": status(f"{API}/me", Authorization=f"Bearer {bearer}"),
                "key": status(f"{API}/me", **{"X-Api-Key": value.strip()}),
                "signature": status(f"{API}/me", uid=MARTINE, **{"X-Agent-Auth-Signature": value.strip()}),
                "session": status("/admin/", Cookie=cookie) if re.fullmatch(r"[\w-]+", value) else 302,
                "link": status(reset) if re.fullmatch(r"[\w-]+", value) else 404,
            }
            refused = {"token": 401, "bearer": 401, "key": 401, "signature": 401, "session": 302, "link": 404}
            assert tried == refused, value
        assert status(f"{API}/me", **watch.token) == 200
        assert status("/admin/", Cookie=f"sessionid={watch.planted['session, renewed']}") == 200
    for row in watch.rows["agents_agent"]:
        sign_in = {"email": row["email"], "password": row["password"]}
        assert requests.post(f"{address}{API}/auth/sign_in", json=sign_in, timeout=30).status_code == 401


# What is written when something fails.


class Failing(RuntimeError):
    pass


def fail(*args: Any, **kwargs: Any) -> Any:
    raise Failing


@pytest.fixture
def log() -> Iterator[SimpleNamespace]:
    """All that is logged from DEBUG on, as the server's own handler writes it, and the failures that went with it."""
    written, failures = io.StringIO(), []
    (console,) = [handler for handler in logging.root.handlers if type(handler) is logging.StreamHandler]
    handler = logging.StreamHandler(written)
    handler.setFormatter(console.formatter)
    for each in console.filters:
        handler.addFilter(each)

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                failures.append(record.exc_info)

    keeper = Keeper()
    talkative = {logger: logger.level for logger in (logging.root, logging.getLogger("django"))}
    for logger in talkative:
        logger.setLevel(logging.DEBUG)
    for each in (handler, keeper):
        logging.root.addHandler(each)
    yield SimpleNamespace(text=written.getvalue, failures=failures)
    for each in (handler, keeper):
        logging.root.removeHandler(each)
    for logger, level in talkative.items():
        logger.setLevel(level)


@pytest.fixture
def odile(db: None) -> Agent:
    return AgentFactory(email=ODILE, is_staff=True, is_superuser=True)


def failing_sign_in(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    patch.setattr("agents.views.sessions.account", fail)
    return client.post(
        f"{API}/auth/sign_in", {"email": cast.martine.email, "password": planted.plant("password", PASSWORD)}
    )


def failing_form(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    patch.setattr("agents.views.sessions.account", fail)
    body = f"email={cast.martine.email}&password={planted.plant('password', PASSWORD).replace(' ', '+')}"
    return client.post(f"{API}/auth/sign_in", body, content_type="application/x-www-form-urlencoded")


def failing_triple(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    token, secret = ClientToken.objects.issue(cast.martine)
    planted.plant("access-token", secret)
    planted.plant("digest", token.digest)
    patch.setattr("agents.views.sessions.account", fail)
    headers = {"access-token": secret, "client": token.client, "uid": cast.martine.email}
    return client.get(f"{API}/auth/validate_token", headers=headers)


def failing_bearer(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    token, secret = ClientToken.objects.issue(cast.martine)
    planted.plant("access-token", secret)
    triple = {"access-token": secret, "client": token.client, "uid": cast.martine.email}
    bearer = planted.plant("Authorization", base64.b64encode(json.dumps(triple).encode()).decode())
    patch.setattr("agents.views.sessions.account", fail)
    return client.get(f"{API}/auth/validate_token", headers={"Authorization": f"Bearer {bearer}"})


def failing_signature(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    patch.setattr(live_settings, "RDV_SHARED_SECRET", planted.plant("RDV_SHARED_SECRET", "canari-partage"))
    given = planted.plant("signature", signature(cast.martine, live_settings.RDV_SHARED_SECRET))
    patch.setattr("agents.views.sessions.render_agent", fail)
    return client.get(f"{API}/me", headers={"X-Agent-Auth-Signature": given, "uid": cast.martine.email})


def failing_link(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    client.post(f"{API}/auth/password", {"email": cast.martine.email, "redirect_url": TARGET})
    (link,) = [line for line in mail.outbox.pop().body.splitlines() if line.startswith("http")]
    (token,) = parse_qs(urlsplit(link).query)["reset_password_token"]
    planted.plant("reset-password token", token.partition("-")[2])
    patch.setattr(ClientTokenQuerySet, "issue", fail)
    return client.get(link.removeprefix("http://testserver"))


def failing_page(cast: Any, patch: pytest.MonkeyPatch, planted: Planted, client: Client) -> Any:
    browser = signed_in(AgentFactory(is_staff=True, is_superuser=True))
    browser.raise_request_exception = False
    browser.get("/admin/password_change/")
    planted.plant("session", browser.cookies["sessionid"].value)
    planted.plant("CSRF secret", browser.cookies["csrftoken"].value)
    planted.plant("password", PASSWORD)
    patch.setattr(admin.site, "each_context", fail)
    return browser.post("/admin/password_change/", {"old_password": PASSWORD})


@pytest.mark.parametrize(
    "failing",
    [failing_sign_in, failing_form, failing_triple, failing_bearer, failing_signature, failing_link, failing_page],
)
def test_a_failure_is_reported_without_secrets(
    cast: SimpleNamespace,
    log: SimpleNamespace,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    anonymous: Any,
    mailoutbox: list[Any],
    failing: Callable[..., Any],
) -> None:
    """In the log, in the mail to administrators that Django offers, in its report as a page and as text."""
    settings.RDV_REDIRECT_ORIGINS = [TARGET]
    settings.ADMINS = [("Odile", ODILE)]
    settings.OTHER_CACHE = {"LOCATION": "redis://:canari-de-redis@127.0.0.1:6379/0"}  # as CACHE_URL would give
    planted = Planted({"key": settings.SECRET_KEY, "password of the cache": "canari-de-redis"})
    by_mail = AdminEmailHandler(include_html=True)
    logging.getLogger("django.request").addHandler(by_mail)
    try:
        response = failing(cast, monkeypatch, planted, anonymous)
    finally:
        logging.getLogger("django.request").removeHandler(by_mail)
    assert response.status_code == 500
    assert log.failures
    assert "Failing" in log.text()
    assert planted.found_in(log.text() + response.content.decode()) == []
    assert mailoutbox
    for sent in mailoutbox:
        assert planted.found_in(sent.subject + sent.body + "".join(str(part[0]) for part in sent.alternatives)) == []
    request, failure = response.wsgi_request, log.failures[-1]
    for is_email in (False, True):
        reporter = get_exception_reporter_class(request)(request, *failure, is_email=is_email)
        assert planted.found_in(reporter.get_traceback_html() + reporter.get_traceback_text()) == []
    stock = ExceptionReporter(request, *failure)
    stock.filter = SafeExceptionReporterFilter()
    assert planted.found_in(stock.get_traceback_html()) != [], "Django's own report would have shown none either"


@pytest.mark.django_db
def test_statements_are_not_logged_with_what_they_store(
    cast: SimpleNamespace, log: SimpleNamespace, anonymous: Any
) -> None:
    with CaptureQueriesContext(connection) as captured:  # as with DEBUG
        answer = anonymous.post(f"{API}/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert any(tokens.digest(answer["access-token"]) in query["sql"] for query in captured)
    assert tokens.digest(answer["access-token"]) not in log.text()
    assert "INSERT" not in log.text()


@pytest.mark.django_db
def test_the_row_that_a_database_refuses_is_not_logged(
    cast: SimpleNamespace, log: SimpleNamespace, anonymous: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL repeats the whole row, with the hash in it, in its refusal."""

    encoded = STORED_HASH  # written elsewhere: a report shows the lines of the code

    def break_a_constraint(agent: Agent) -> Any:
        Agent.objects.create(email="CAPITALS@agence.test", password=encoded)

    monkeypatch.setattr("agents.views.sessions.account", break_a_constraint)
    answer = anonymous.post(f"{API}/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 500
    assert IntegrityError in [kind for kind, _failure, _traceback in log.failures]
    assert "agent_email_lower_case" in log.text()
    assert STORED_HASH not in log.text()
    if connection.vendor == "postgresql":
        assert STORED_HASH in str(log.failures[0][1])
        reporter = get_exception_reporter_class(None)(None, *log.failures[0])
        assert STORED_HASH not in reporter.get_traceback_html() + reporter.get_traceback_text()


def test_a_mail_server_that_fails_tells_neither_its_password_nor_the_link(
    cast: SimpleNamespace, log: SimpleNamespace, anonymous: Any, settings: Any
) -> None:
    settings.RDV_REDIRECT_ORIGINS = [TARGET]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "rdv", "canari-de-courrier"
    answer = anonymous.post(f"{API}/auth/password", {"email": cast.martine.email, "redirect_url": TARGET})
    assert answer.status_code == 200
    assert "A mail could not be sent" in log.text()
    assert "canari" not in log.text()
    assert "reset_password_token" not in log.text()


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("DATABASE_URL", "postgres://rdv:canari-de-base@127.0.0.1:1/rdv"),
        ("DATABASE_URL", "postgres://rdv:canari-de-base/2@127.0.0.1:5432/rdv"),
        ("CACHE_URL", "redis://:canari-de-cache@127.0.0.1:port/0"),
        ("EMAIL_URL", "smtp://rdv:canari-de-courrier/2@127.0.0.1:25"),
    ],
)
def test_an_address_that_leads_nowhere_does_not_show_its_password(variable: str, address: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RDV_")}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=ROOT,
        env=kept | {variable: address, "RDV_LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )
    if variable != "CACHE_URL":  # asked for when it is used
        assert done.returncode != 0
    assert "canari" not in done.stdout + done.stderr


# Comparisons.

SECRET_NAMES = re.compile(r"(^|_)(secret|password|token|digest|signature|hash|encoded|csrf|session_key)s?$")


def named(node: ast.expr) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return named(node.func)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
    return ""


def test_secrets_are_compared_in_constant_time() -> None:
    """No `==` between two values of which one is named like a secret; each exception is named, with its why."""
    innocent = {
        # Typed twice by the same person, in one request.
        ("agents/views/passwords.py", "password != confirmation"),
        # Two hashes of ours: the one that is stored, and the one to store.
        ("agents/provision/people.py", "encoded == agent.password"),
        # A place in the order of changes, which opens nothing.
        ("absences/changes/reading.py", "token.sight != sight.digest"),
        # The names of columns, and of parameters.
        ("agents/record/writing.py", "name in row.secrets"),
        ("rdv/api/lines.py", "name in asked.secrets"),
    }
    found = set()
    for folder in ("agents", "absences", "rdv", "webhooks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Compare):
                    continue
                sides = [node.left, *node.comparators]
                if any(isinstance(side, ast.Constant) for side in sides):
                    continue  # whether there is one at all
                equal = any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops)
                if equal and any(SECRET_NAMES.search(named(side)) for side in sides):
                    found.add((str(path.relative_to(ROOT)), ast.unparse(node)))
    assert found == innocent


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The pairs that were compared in constant time."""
    pairs: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        pairs.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(tokens, "compare_digest", compare)
    monkeypatch.setattr(shared_secret, "hmac", SimpleNamespace(new=hmac.new, compare_digest=compare))
    return pairs


def test_tokens_are_compared_by_digest_each_with_each(compared: list[tuple[Any, Any]]) -> None:
    given, *known = (tokens.digest(secret) for secret in "abcd")
    assert not tokens.matches("a", *known, None)
    assert compared == [(given, each) for each in known]
    compared.clear()
    assert tokens.matches("a", given, *known), "a match does not end the comparisons"
    assert len(compared) == 4


@pytest.mark.parametrize("email", ["martine@demo.rdv-solidarites.fr", "nobody@agence.test"])
def test_a_signature_costs_the_same_comparison_for_anybody(
    cast: SimpleNamespace, anonymous: Any, settings: Any, compared: list[tuple[Any, Any]], email: str
) -> None:
    settings.RDV_SHARED_SECRET = "canari-partage"
    headers = {"X-Agent-Auth-Signature": "0" * 64, "uid": email}
    assert anonymous.get(f"{API}/me", headers=headers).status_code == 401
    ((given, expected),) = compared
    assert given == b"0" * 64
    assert len(expected) == 64


# The sessions of the pages.


def signed_in(agent: Agent, password: str = PASSWORD, **how: Any) -> Client:
    browser = Client(**how)
    answer = browser.post("/admin/login/", {"username": agent.email, "password": password, "next": "/admin/"})
    assert answer.status_code == 302, answer.content.decode()
    return browser


def with_cookie(value: str) -> Client:
    browser = Client()
    browser.cookies[live_settings.SESSION_COOKIE_NAME] = value
    return browser


def is_in(browser: Client) -> bool:
    status: int = browser.get("/admin/").status_code
    assert status in (200, 302)
    return status == 200


def key_of(browser: Client) -> str:
    return browser.cookies[live_settings.SESSION_COOKIE_NAME].value


def test_a_session_is_found_by_the_digest_of_its_key(odile: Agent) -> None:
    browser = signed_in(odile)
    row = Session.objects.get()
    assert row.session_key == hashlib.sha256(key_of(browser).encode()).hexdigest()[:40]
    assert is_in(with_cookie(key_of(browser)))
    assert not is_in(with_cookie(row.session_key))
    store = SessionStore(key_of(browser))
    assert store.exists(key_of(browser))
    assert not store.exists(row.session_key)
    store.delete(row.session_key)
    assert Session.objects.exists()
    store.delete()
    assert not Session.objects.exists()


def test_a_session_key_is_another_after_signing_in(odile: Agent) -> None:
    planted = SessionStore()
    planted["language"] = "fr"
    planted.create()
    browser = with_cookie(planted.session_key)
    browser.post("/admin/login/", {"username": odile.email, "password": PASSWORD, "next": "/admin/"})
    assert key_of(browser) != planted.session_key
    assert is_in(browser)
    assert not is_in(with_cookie(planted.session_key))


def test_a_key_of_ones_own_making_is_not_adopted(odile: Agent) -> None:
    browser = with_cookie("k" * 32)
    browser.post("/admin/login/", {"username": odile.email, "password": PASSWORD, "next": "/admin/"})
    assert key_of(browser) != "k" * 32


def test_signing_out_ends_the_session_wherever_its_cookie_was_copied(odile: Agent) -> None:
    browser = signed_in(odile)
    copy = with_cookie(key_of(browser))
    assert is_in(copy)
    browser.post("/admin/logout/")
    assert not is_in(copy)
    assert not Session.objects.exists()


def test_signing_out_needs_a_form(odile: Agent) -> None:
    browser = signed_in(odile)
    assert browser.get("/admin/logout/").status_code == 405
    assert is_in(browser)


def test_a_password_that_changes_ends_the_other_sessions(odile: Agent) -> None:
    here, elsewhere = signed_in(odile), signed_in(odile)
    new = "Soleil d'hiver 2027 !"
    typed = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/admin/password_change/", typed).status_code == 302
    assert is_in(here)
    assert not is_in(elsewhere)


def test_a_password_changed_by_api_ends_the_sessions_of_the_pages(odile: Agent, sign_in: Any) -> None:
    browser = signed_in(odile)
    new = "Soleil d'hiver 2027 !"
    body = {"password": new, "password_confirmation": new}
    assert sign_in(odile).put(f"{API}/auth/password", body).status_code == 200
    assert not is_in(browser)


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_who_may_no_longer_come_in_is_out_at_the_next_request(odile: Agent, change: dict[str, bool]) -> None:
    browser = signed_in(odile)
    Agent.objects.filter(pk=odile.pk).update(**change)
    assert not is_in(browser)


def test_a_right_that_is_taken_away_is_gone_at_the_next_request(db: None) -> None:
    helper = AgentFactory(is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__model="agent"))
    browser, page = signed_in(helper), reverse("admin:agents_agent_changelist")
    assert browser.get(page).status_code == 200
    helper.user_permissions.clear()
    assert browser.get(page).status_code == 403


def test_somebody_who_is_superuser_no_more_is_none_at_the_next_request(odile: Agent) -> None:
    browser = signed_in(odile)
    Agent.objects.filter(pk=odile.pk).update(is_superuser=False)
    assert browser.get(reverse("admin:agents_agent_changelist")).status_code == 403


def test_a_session_ends_after_an_hour_without_a_request(odile: Agent, now: Any) -> None:
    browser = signed_in(odile)
    now.tick(datetime.timedelta(minutes=59))
    assert is_in(browser)
    now.tick(datetime.timedelta(minutes=59))
    assert is_in(browser), "each request counts"
    now.tick(datetime.timedelta(minutes=61))
    assert not is_in(with_cookie(key_of(browser)))


def test_a_session_ends_twelve_hours_after_it_began_however_busy(odile: Agent, now: Any) -> None:
    browser = signed_in(odile)
    for _ in range(23):
        now.tick(datetime.timedelta(minutes=30))
        assert is_in(with_cookie(key_of(browser)))
    now.tick(datetime.timedelta(minutes=31))
    assert not is_in(with_cookie(key_of(browser)))


def test_that_a_session_is_in_use_is_written_once_in_five_minutes(odile: Agent, now: Any) -> None:
    browser = signed_in(odile)
    ends = Session.objects.get().expire_date
    now.tick(datetime.timedelta(minutes=4))
    assert is_in(browser)
    assert Session.objects.get().expire_date == ends
    now.tick(datetime.timedelta(minutes=2))
    assert is_in(browser)
    assert Session.objects.get().expire_date == ends + datetime.timedelta(minutes=6)


def test_a_session_that_was_tampered_with_is_empty(odile: Agent) -> None:
    """Somebody who may write rows, without the secret key, makes no session of another agent's."""
    browser = signed_in(odile)
    row = Session.objects.get()
    content, *signed = row.session_data.split(":")
    Session.objects.update(session_data=":".join([content[::-1], *signed]))
    assert not is_in(browser)


# Cookies, forms and pages.


@pytest.fixture
def production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the pages as they are in production."""
    for name in [name for name in os.environ if name.startswith("RDV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RDV_ENV", "production")
    monkeypatch.setenv("RDV_SECRET_KEY", "k" * 50)
    monkeypatch.setenv("RDV_ALLOWED_HOSTS", "testserver")
    read = runpy.run_path(str(ROOT / "rdv" / "settings.py"))
    for name, value in read.items():
        if name.startswith(("SESSION_", "CSRF_", "SECURE_")):
            setattr(settings, name, value)


@pytest.mark.usefixtures("production")
def test_cookies_are_for_this_host_over_tls_and_out_of_reach_of_scripts(odile: Agent) -> None:
    browser = Client()
    page = browser.get("/admin/login/", secure=True)
    typed = {"username": odile.email, "password": PASSWORD, "next": "/admin/"}
    answer = browser.post("/admin/login/", typed, secure=True)
    cookies = {name: morsel for each in (page, answer) for name, morsel in each.cookies.items()}
    assert set(cookies) == {"__Host-sessionid", "__Host-csrftoken"}
    for morsel in cookies.values():
        assert (morsel["secure"], morsel["httponly"], morsel["path"], morsel["domain"]) == (True, True, "/", "")
        assert morsel["samesite"] == "Lax"
    assert browser.get("/admin/", secure=True).status_code == 200


@pytest.mark.usefixtures("production")
def test_pages_without_tls_send_on_to_it(db: None) -> None:
    answer = Client().get("/admin/login/")
    assert answer.status_code == 301
    assert answer["Location"] == "https://testserver/admin/login/"
    assert not answer.cookies


def test_cookies_are_out_of_reach_of_scripts_without_tls_too(odile: Agent) -> None:
    browser = signed_in(odile)
    browser.get("/admin/password_change/")
    for name in ("sessionid", "csrftoken"):
        assert browser.cookies[name]["httponly"] is True
        assert browser.cookies[name]["samesite"] == "Lax"


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("wrong", ["no token", "another token", "no cookie", "another origin", "another referer"])
def test_a_form_of_another_making_is_refused(odile: Agent, wrong: str, secure: bool) -> None:
    browser = Client(enforce_csrf_checks=True)
    origin = "https://testserver" if secure else "http://testserver"
    page = browser.get("/admin/login/", secure=secure).content.decode()
    typed = {"username": odile.email, "password": PASSWORD, "next": "/admin/"}
    typed["csrfmiddlewaretoken"] = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)[1]
    headers = {"Origin": origin, "Referer": f"{origin}/admin/login/"}
    match wrong:
        case "no token":
            del typed["csrfmiddlewaretoken"]
        case "another token":
            typed["csrfmiddlewaretoken"] = "a" * 64
        case "no cookie":
            browser.cookies.clear()
        case "another origin":
            headers["Origin"] = "https://elsewhere.test"
        case "another referer":
            del headers["Origin"]
            headers["Referer"] = "https://elsewhere.test/"
            if not secure:
                headers["Origin"] = "null"
    answer = browser.post("/admin/login/", typed, headers=headers, secure=secure)
    assert answer.status_code == 403
    assert "sessionid" not in answer.cookies
    if wrong != "no cookie":
        typed["csrfmiddlewaretoken"] = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)[1]
        headers = {"Origin": origin, "Referer": f"{origin}/admin/login/"}
        assert browser.post("/admin/login/", typed, headers=headers, secure=secure).status_code == 302


def pages_of(browser: Client, agent: Agent) -> dict[str, Any]:
    addresses = [
        "/admin/",
        "/admin/login/",
        "/admin/password_change/",
        "/admin/nowhere/",
        reverse("admin:agents_agent_changelist"),
        reverse("admin:agents_agent_change", args=(agent.pk,)),
        reverse("admin:auth_user_password_change", args=(agent.pk,)),
        reverse("admin:agents_agent_history", args=(agent.pk,)),
        reverse("admin:axes_accessattempt_changelist"),
    ]
    return {address: browser.get(address) for address in addresses}


def test_no_page_is_kept_nor_framed(odile: Agent) -> None:
    for address, page in pages_of(signed_in(odile), odile).items():
        assert "no-store" in page["Cache-Control"], address
        assert page["X-Frame-Options"] == "SAMEORIGIN", address
        assert "frame-ancestors 'self'" in page["Content-Security-Policy"], address


def test_pages_for_strangers_are_not_kept_either(odile: Agent) -> None:
    refused = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": ODILE, "password": "x"})
    for page in (Client().get("/admin/login/"), Client().get("/admin/"), refused):
        assert "no-store" in page["Cache-Control"]


def test_password_fields_tell_the_browser_what_they_are_for(odile: Agent) -> None:
    browser = signed_in(odile)
    expected = {
        "/admin/password_change/": ["current-password", "new-password", "new-password"],
        reverse("admin:auth_user_password_change", args=(odile.pk,)): ["new-password", "new-password"],
        reverse("admin:agents_agent_add"): ["new-password", "new-password"],
    }
    shown = {address: browser.get(address).content.decode() for address in expected}
    expected["/admin/login/"] = ["current-password"]
    shown["/admin/login/"] = Client().get("/admin/login/").content.decode()
    for address, kinds in expected.items():
        fields = re.findall(r'<input[^>]*type="password"[^>]*>', shown[address])
        assert [re.search(r'autocomplete="([^"]+)"', field)[1] for field in fields] == kinds, address
        assert not any("value=" in field for field in fields), address
