"""The page of calendars as people use it: a real browser, a real server, an address that a program follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe

from .test_pages import Visitor, browser, pytestmark, server

__all__ = ["browser", "pytestmark", "server"]


@pytest.fixture
def martine(browser: Any, server: Any) -> Iterator[Visitor]:
    visitor = Visitor(browser, server)
    visitor.sign_in()
    yield visitor
    visitor.context.close()
    assert visitor.elsewhere == []
    assert visitor.complaints == []


def accessible(visitor: Visitor) -> None:
    found = Axe().run(visitor.page)
    assert found.violations_count == 0, found.generate_report()


def status(address: str) -> int:
    return requests.get(address, timeout=30).status_code


def test_a_calendar_is_made_renewed_and_revoked(martine: Visitor) -> None:
    page = martine.page
    page.goto("/calendriers")
    accessible(martine)
    martine.press("main a.main")
    accessible(martine)
    assert not page.locator("#id_agent_email").is_visible()
    page.get_by_label("D'une organisation").check()
    assert page.locator("#id_organisation").is_visible()
    page.locator("#id_organisation").select_option(label="MDS du Port")
    page.get_by_label("Nom", exact=True).fill("Équipe du Port")
    martine.press("main button.main")
    accessible(martine)
    first = martine.secret()
    assert status(first) == 200
    assert page.locator("#webcal").inner_text() == first.replace("http://", "webcal://")
    martine.press("main a.main")
    assert page.get_by_text("MDS du Port").is_visible()
    accessible(martine)

    page.get_by_role("link", name="Renouveler l'adresse de Équipe du Port").click()
    accessible(martine)
    martine.press("main button.main")
    second = martine.secret()
    assert [status(first), status(second)] == [404, 200]

    page.goto("/calendriers")
    page.get_by_role("link", name="Révoquer l'adresse de Équipe du Port").click()
    accessible(martine)
    martine.press("main button.danger")
    assert status(second) == 404
    assert page.get_by_text("Révoqué", exact=True).is_visible()
    page.get_by_text("Google Agenda", exact=True).click()
    assert page.get_by_text("À partir de l'URL").is_visible()
    accessible(martine)


def test_what_is_wrong_is_said_beside_its_field(martine: Visitor) -> None:
    page = martine.page
    page.goto("/calendriers/nouveau")
    page.get_by_label("D'un collègue").check()
    page.locator("#id_agent_email").fill("personne@agence.test")
    page.get_by_label("Nom", exact=True).fill("x")
    with page.expect_navigation():
        page.locator("main button.main").click()
    assert page.get_by_text("Vous ne voyez pas d'agent à cette adresse.").is_visible()
    assert page.locator("#id_agent_email").get_attribute("aria-invalid") == "true"
    accessible(martine)
