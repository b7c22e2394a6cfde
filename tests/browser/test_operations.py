"""The action runner as people use it: a real browser, a real server, the demo data."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Page

from .test_docs import MARTINE, PASSWORD, browser, look, pytestmark, server, visit
from .test_pages import Visitor

__all__ = ["browser", "pytestmark", "server", "visit"]  # fixtures, and where they run


def sign_in(visitor: Visitor, there: str = "/operations") -> None:
    visitor.page.goto(f"/connexion?next={there}")
    visitor.page.fill("#id_username", MARTINE)
    visitor.page.fill("#id_password", PASSWORD)
    visitor.press("main button")


def test_one_finds_fills_in_runs_and_copies(visit: Any) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/api/docs")
    visitor.press("header a[href='/operations']")
    assert "/connexion?next=/operations" in page.url
    sign_in(visitor)
    page.fill("#q", "creer absence")
    visitor.press("main form button")
    visitor.press("main .operations a")
    assert page.url.endswith("/operations/absences.create")
    page.click("[data-fills='0']")
    assert page.url.endswith("/operations/absences.create")
    assert page.input_value("#id_p-title") == "Formation"
    assert page.input_value("#id_p-first_day") == "2026-12-10"
    visitor.press("button[value=run]")
    assert "200 OK" in page.locator("#answer-title").inner_text()
    assert '"title": "Formation"' in page.locator("#answer-body").inner_text()
    # Nothing that was sent is in the address, nor in one that one may come back to.
    assert re.fullmatch(rf"{visitor.server.address}/operations/absences\.create#answer", page.url)
    for number in (1, 2, 3):
        line = page.locator(f"#line-{number}")
        page.locator(f"[data-copies=line-{number}]").click()
        assert page.evaluate("navigator.clipboard.readText()") == line.text_content()
        assert "Formation" in line.inner_text()


def test_loading_an_answer_anew_makes_nothing_twice(visit: Any) -> None:
    visitor = visit()
    page = visitor.page
    sign_in(visitor, "/operations/absences.create")
    page.click("[data-fills='0']")
    page.fill("#id_p-title", "Une seule fois")
    visitor.press("button[value=run]")
    page.reload()
    assert "rien n'a été refait" in page.inner_text("main")
    sent = {"email": MARTINE, "password": PASSWORD}
    signed = requests.post(f"{visitor.server.address}/api/v1/auth/sign_in", json=sent, timeout=30)
    triple = {name: signed.headers[name] for name in ("access-token", "client", "uid")}
    found = requests.get(
        f"{visitor.server.address}/api/v1/absences", {"title": "Une seule fois"}, headers=triple, timeout=30
    )
    assert found.json()["meta"]["total_count"] == 1


def test_everything_is_done_without_a_script(visit: Any) -> None:
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    sign_in(visitor)
    visitor.press("a[href='/operations/absences.create']")
    visitor.press("a[data-fills='0']")
    assert page.input_value("#id_p-title") == "Formation"
    visitor.press("button[value=run]")
    assert "200 OK" in page.locator("#answer-title").inner_text()
    made = re.search(r'"id": (\d+)', page.locator("#answer-body").inner_text())
    assert made
    page.goto("/operations/absences.delete")
    page.fill("#id_p-id", made[1])
    visitor.press("button[value=run]")
    assert page.locator("#answer").count() == 0
    assert "Cochez la case" in page.inner_text("form#form")
    page.check("[name=confirmed]")
    visitor.press("button[value=run]")
    assert "204" in page.locator("#answer-title").inner_text()
    assert page.locator("[data-copies]:visible").count() == 0


def test_everything_is_done_with_the_keyboard_alone(visit: Any) -> None:
    visitor = visit()
    page, keyboard = visitor.page, visitor.page.keyboard
    sign_in(visitor)

    def walk_to(selector: str) -> None:
        for _step in range(80):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
                return
            keyboard.press("Tab")
        raise AssertionError(f"{selector} is out of reach")

    walk_to("#q")
    keyboard.type("absences.list")
    with page.expect_navigation():
        keyboard.press("Enter")
    walk_to("a[href='/operations/absences.list']")
    with page.expect_navigation():
        keyboard.press("Enter")
    walk_to("[data-fills='1']")
    keyboard.press("Space")
    assert page.evaluate("document.activeElement.value") == "run"
    with page.expect_navigation():
        keyboard.press("Enter")
    assert "200 OK" in page.locator("#answer-title").inner_text()
    keyboard.press("Tab")
    walk_to("#answer-body")
    walk_to("#line-1")


@pytest.mark.parametrize(("language", "width"), [("fr-FR", 1280), ("en-GB", 390)])
def test_axe_finds_nothing_serious(visit: Any, language: str, width: int) -> None:
    visitor = visit(locale=language, viewport={"width": width, "height": 844})
    page = visitor.page
    sign_in(visitor)
    look(page, "operations")
    page.goto("/operations?q=rien de tel")
    look(page, "none found")
    for id in ("absences.list", "absences.create", "tokens.create", "absences.delete", "auth.sign_in"):
        page.goto(f"/operations/{id}")
        look(page, id)
        open_drawers(page)
        if id.startswith("absences"):
            visitor.press("button[value=run]")
            look(page, f"{id}, run")
            open_drawers(page)
        look(page, f"{id}, open")


def open_drawers(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach((drawer) => { drawer.open = true; })")
