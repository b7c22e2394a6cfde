"""An address never gets into what is written: logs, reports, measures, the record, rows; by whatever name (C2)."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from django.conf import settings as live_settings
from django.core import mail
from django.test import Client
from django.utils.log import AdminEmailHandler

from tests.factories import AbsenceFactory, FeedFactory
from tests.server import Server, serving
from tests.test_secrets import ROWS, Failing, fail

from .conftest import address

TOKEN = "mesures-de-ce-test-1234567890"
MARTINE, PASSWORD = "martine@agence.test", "Rendez-vous 2026 !"
DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
martine = Agent.objects.create_user("{MARTINE}", "{PASSWORD}")
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
"""


def ways(secret: str) -> Iterator[tuple[str, str]]:
    """All sorts of requests for an address, right and wrong."""
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE"):
        yield method, f"/feeds/{secret}.ics"
    yield "GET", f"/feeds/{secret}.ics?x=1"
    for path in (f"/feeds/{secret}", f"/feeds/{secret}.ics/", f"/feeds/x/{secret}.ics", f"/feeds/%2e%2e/{secret}.ics"):
        yield "GET", path
        yield "POST", path


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that is logged from DEBUG on, by the server's own formatter, the access log's lines included."""
    text = io.StringIO()
    (console,) = [handler for handler in logging.root.handlers if type(handler) is logging.StreamHandler]
    handler = logging.StreamHandler(text)
    handler.setFormatter(console.formatter)
    for each in console.filters:
        handler.addFilter(each)
    loggers = [
        logging.root,
        *(logging.getLogger(name) for name in ("django", "django.request", "django.security.csrf")),
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.root.addHandler(handler)
    yield text
    logging.root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_whatever_is_asked_the_log_does_not_tell_the_address(cast: SimpleNamespace, written: io.StringIO) -> None:
    feed = FeedFactory(owner=cast.martine)
    for enforcing in (False, True):
        client = Client(raise_request_exception=False, enforce_csrf_checks=enforcing)
        for method, path in ways(feed.secret):
            assert client.generic(method, path).status_code in (200, 404, 405)
    assert "/feeds/-" in written.getvalue()  # something was written of them
    assert feed.secret not in written.getvalue()


def test_a_failure_does_not_tell_it_either(
    cast: SimpleNamespace, written: io.StringIO, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.ADMINS = [("Odile", "odile@exemple.test")]
    feed = FeedFactory(owner=cast.martine)
    monkeypatch.setattr("absences.feeds.serving.Content", fail)
    reporter = AdminEmailHandler(include_html=True)
    logging.getLogger("django.request").addHandler(reporter)
    try:
        assert Client(raise_request_exception=False).get(address(feed)).status_code == 500
    finally:
        logging.getLogger("django.request").removeHandler(reporter)
    [report] = mail.outbox
    told = written.getvalue() + str(report.message())
    assert Failing.__name__ in told
    assert feed.secret not in told


def test_a_page_that_leads_there_is_told_to_nobody(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.martine)
    answer = Client().get(address(FeedFactory(owner=cast.martine)))
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Robots-Tag"] == "noindex"
    assert answer["Cache-Control"] == "private, no-cache"


def test_the_proxies_that_we_describe_write_nothing_of_it() -> None:
    conf = (Path(live_settings.ROOT) / "deploy" / "nginx" / "proxy.conf").read_text()
    place = re.search(r"location /feeds/ \{(.*?)\}", conf, re.DOTALL)
    assert place
    assert "access_log off;" in place[1]
    assert "error_log /dev/null crit;" in place[1]


@pytest.mark.live
@pytest.mark.any_database
def test_nothing_that_a_server_writes_tells_an_address(tmp_path: Path) -> None:
    options = {
        "RDV_ACCESS_LOG": "json", "RDV_LOG_FORMAT": "json", "RDV_LOG_LEVEL": "DEBUG", "SERVER_LOG_LEVEL": "debug",
        "RDV_METRICS_TOKEN": TOKEN, "RDV_GZIP": "on",
    }  # fmt: skip
    with serving(tmp_path, "shell", "-c", DIRECTORY, workers=1, **options) as server:
        secrets = _driven(server)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        measures = requests.get(f"{server.address}/metrics", headers=headers, timeout=30).text
        rows = server.manage("shell", "-c", ROWS)
        log = server.log
    assert '"route":"/feeds/<secret>.ics"' in log
    assert 'route="/feeds/<secret>.ics"' in measures
    assert '"absences_feed": [{' in rows
    for where, text in {"the log": log, "the measures": measures, "the rows": rows}.items():
        for secret in secrets:
            assert secret not in text, where


def _driven(server: Server) -> list[str]:
    """Feeds made, read, asked for in all sorts of ways, renewed and revoked; gives their secrets."""
    session, api = requests.Session(), f"{server.address}/api/v1"
    answer = session.post(f"{api}/auth/sign_in", json={"email": MARTINE, "password": PASSWORD}, timeout=30)
    session.headers.update({name: answer.headers[name] for name in ("access-token", "client", "uid")})
    feed = session.post(f"{api}/feeds", json={"name": "x"}, timeout=30).json()["feed"]
    renewed = session.post(f"{api}/feeds/{feed['id']}/renew", timeout=30).json()["feed"]
    secrets = [one["ics_address"].rpartition("/")[2].removesuffix(".ics") for one in (feed, renewed)]
    for secret in (*secrets, "A" * 22):
        for method, path in ways(secret):
            requests.request(method, server.address + path, timeout=30)
            requests.request(method, server.address + path, headers={"Host": "elsewhere.test"}, timeout=30)
    assert requests.get(f"{server.address}/feeds/{secrets[1]}.ics", timeout=30).status_code == 200
    session.patch(f"{api}/feeds/{feed['id']}", json={"active": False}, timeout=30)
    assert requests.get(f"{server.address}/feeds/{secrets[1]}.ics", timeout=30).status_code == 404
    return secrets
