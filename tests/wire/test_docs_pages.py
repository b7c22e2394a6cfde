"""`/api/docs` and `/api/docs/reference`: public pages under an address of the API, with a policy of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders

from tests.conftest import WireClient

pytestmark = pytest.mark.no_database

SWAGGER, REDOC = "/api/docs", "/api/docs/reference"
BOTH = pytest.mark.parametrize("address", [SWAGGER, REDOC])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def policy(answer: Any) -> dict[str, set[str]]:
    directives = [directive.split() for directive in answer["Content-Security-Policy"].split(";")]
    return {name: set(sources) for name, *sources in directives}


@BOTH
@pytest.mark.parametrize("slash", ["", "/"])
def test_anybody_gets_a_page_of_html_without_a_query(anonymous: WireClient, address: str, slash: str) -> None:
    """The test has no database: one query would fail it."""
    answer = anonymous.get(address + slash)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert not answer.cookies


@BOTH
def test_nothing_comes_from_another_host_and_every_file_is_there(anonymous: WireClient, address: str) -> None:
    page = text(anonymous.get(address))
    found = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert found
    assert [one for one in found if not one.startswith(("/", "?"))] == []
    for one in found:
        if one.startswith("/static/"):
            assert Path(str(finders.find(one.removeprefix("/static/")))).is_file(), one
    # Scripts are files of ours, which the policy tells from those that somebody smuggled in.
    assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page) == []


def test_the_policy_permits_no_more_than_each_page_needs(anonymous: WireClient) -> None:
    swagger, redoc = (policy(anonymous.get(address)) for address in (SWAGGER, REDOC))
    assert swagger["default-src"] == {"'none'"}
    assert swagger["script-src"] == swagger["style-src"] == swagger["connect-src"] == {"'self'"}
    assert swagger["img-src"] == {"'self'", "data:"}
    for found in (swagger, redoc):
        assert found["base-uri"] == found["object-src"] == found["form-action"] == {"'none'"}
        assert found["frame-ancestors"] == {"'self'"}
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:"} & set().union(*found.values())
    more = {name for name in redoc if redoc[name] != swagger.get(name)}
    assert more == {"style-src", "worker-src"}
    assert redoc["worker-src"] == {"blob:"}
    assert all(source == "'self'" or source.startswith("'sha256-") for source in redoc["style-src"])


@BOTH
@pytest.mark.parametrize(
    ("query", "header", "language", "word"),
    [
        ("", None, "fr", "Exécuter en votre nom"),
        ("", "en-GB,en;q=0.8", "en", "Run as yourself"),
        ("?lang=en", "fr", "en", "Run as yourself"),
        ("?lang=fr", "en", "fr", "Exécuter en votre nom"),
        ("?lang=xx", "en", "en", "Run as yourself"),
    ],
)
def test_it_is_in_the_language_of_the_reader_or_of_the_address(
    anonymous: WireClient, address: str, query: str, header: str | None, language: str, word: str
) -> None:
    answer = anonymous.get(address + query, headers={"Accept-Language": header} if header else {})
    assert answer["Content-Language"] == language
    assert f'<html lang="{language}">' in text(answer)
    assert f'data-language="{language}"' in text(answer)
    assert word in text(answer)
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in answer["Vary"].split(",")}


@BOTH
def test_it_is_not_sent_again_while_it_is_the_same(anonymous: WireClient, address: str) -> None:
    first = anonymous.get(address)
    assert first["Cache-Control"] == "no-cache"
    again = anonymous.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = anonymous.get(f"{address}?lang=en", headers={"If-None-Match": first["ETag"]})
    assert other.status_code == 200


@BOTH
def test_it_is_refused_as_a_page_where_the_api_is_switched_off(
    anonymous: WireClient, settings: Any, address: str
) -> None:
    settings.RDV_API = False
    answer = anonymous.get(address)
    assert answer.status_code == 403
    assert "L&#x27;API est désactivée sur ce serveur." in text(answer)
    assert "docs.js" not in text(answer)


@BOTH
def test_it_is_only_read(anonymous: WireClient, address: str) -> None:
    assert anonymous.head(address).status_code == 200
    for method in ("post", "put", "patch", "delete"):
        assert getattr(anonymous, method)(address).status_code in (403, 405)


def test_beside_them_the_address_leads_nowhere_and_stays_the_apis(anonymous: WireClient) -> None:
    for address in ("/api/docs/x", "/api/docsx", "/api/docs.json"):
        answer = anonymous.get(address)
        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("application/json")


def test_they_are_where_the_server_says(anonymous: WireClient) -> None:
    assert anonymous.get("/api").json()["links"]["documentation"].endswith(SWAGGER)
