"""Swagger UI and Redoc in a real browser, on the demo data, under their policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.server import Server, serving

from .test_pages import browser, pytestmark, serious, visit

__all__ = ["browser", "pytestmark", "visit"]  # fixtures, and where they run

MARTINE, PASSWORD = "martine@demo.rdv-solidarites.fr", "123456"
WIDTHS = pytest.mark.parametrize("width", [1280, 390])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("docs"), "demo", workers=1) as running:
        yield running


class Swagger:
    """Its own names for what is on its page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.goto("/api/docs")
        page.locator(".opblock").first.wait_for()

    def operation(self, id: str) -> Any:
        return self.page.locator(".opblock[id$='-{}']".format(id.replace(".", r"\\.")))

    def open(self, id: str) -> Any:
        operation = self.operation(id)
        operation.locator(".opblock-summary-control").click()
        operation.locator("button.execute").wait_for()
        return operation

    def run(self, operation: Any) -> int:
        with self.page.expect_response(lambda answer: "/api/" in answer.url) as info:
            operation.locator("button.execute").click()
        status = info.value.status
        operation.locator(".live-responses-table .response-col_status", has_text=str(status)).last.wait_for()
        return int(status)

    def headers(self, operation: Any) -> dict[str, str]:
        text = operation.locator(".live-responses-table .headerline").all_inner_texts()
        return dict(line.strip().split(": ", 1) for line in text)

    def authorize(self, **values: str) -> None:
        self.page.locator(".btn.authorize").first.click()
        for name, value in values.items():
            box = self.page.locator(".auth-container", has=self.page.locator(f"code:text-is('{name}')"))
            box.locator("input").fill(value)
            box.locator("button[type=submit]").click()
        self.page.locator(".btn-done").first.click()


def test_one_signs_in_authorizes_lists_and_creates_without_leaving_the_page(visit: Any) -> None:
    visitor = visit(viewport={"width": 1280, "height": 900})
    swagger = Swagger(visitor.page)
    sign_in = swagger.open("auth.sign_in")
    assert swagger.run(sign_in) == 200  # with the example, which is there already
    headers = swagger.headers(sign_in)
    listing = swagger.open("absences.list")
    assert swagger.run(listing) == 401
    swagger.authorize(**{name: headers[name] for name in ("access-token", "client", "uid")})
    assert swagger.run(listing) == 200
    assert '"absences"' in listing.locator(".live-responses-table .highlight-code").first.inner_text()
    creation = swagger.open("absences.create")
    assert swagger.run(creation) == 200
    assert '"title": "Formation"' in creation.locator(".live-responses-table .highlight-code").first.inner_text()


def test_a_key_is_authorized_too_and_sentences_are_in_the_language_of_the_page(visit: Any) -> None:
    visitor = visit(locale="en-GB")
    swagger = Swagger(visitor.page)
    assert "List the absences" in swagger.operation("absences.list").inner_text()
    swagger.authorize(bearer="rdv_pat_" + "0" * 36)
    listing = swagger.open("absences.list")
    assert swagger.run(listing) == 401
    assert "You need to sign in" in listing.locator(".live-responses-table .highlight-code").first.inner_text()
    visitor.page.goto("/api/docs?lang=fr")
    visitor.page.locator(".opblock").first.wait_for()
    assert "Lister les absences" in swagger.operation("absences.list").inner_text()


@pytest.mark.no_database
def test_nothing_that_was_authorized_stays_behind(visit: Any) -> None:
    visitor = visit()
    swagger = Swagger(visitor.page)
    secret = "rdv_pat_" + "1" * 36
    swagger.authorize(bearer=secret)
    kept = visitor.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])")
    assert secret not in kept
    visitor.page.reload()
    visitor.page.locator(".opblock").first.wait_for()
    assert visitor.page.locator(".btn.authorize.unlocked").count() == 1


@WIDTHS
@pytest.mark.no_database
def test_swagger_is_readable_by_everybody(visit: Any, width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 844})
    swagger = Swagger(visitor.page)
    look(visitor.page, "all operations")
    for id in ("absences.create", "absences.list"):
        swagger.open(id)
    look(visitor.page, "open operations")


# What is widest there is an example, in no language: each language and each window is looked at once.
@pytest.mark.no_database
@pytest.mark.parametrize(
    ("language", "word", "label", "width"),
    [
        ("fr-FR", "Lister les absences", "Exemples de réponses", 390),
        ("en-GB", "List the absences", "Response samples", 1280),
    ],
)
def test_redoc_is_readable_by_everybody(visit: Any, language: str, word: str, label: str, width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 844}, locale=language)
    page = visitor.page
    page.goto("/api/docs/reference")
    page.get_by_role("heading", name=word).first.wait_for()
    assert page.get_by_text(label).count() > 0
    look(page, "redoc")


@pytest.mark.no_database
def test_redoc_finds_an_operation(visit: Any) -> None:
    """Its search is a thread begun from text, which the policy must let begin."""
    visitor = visit(viewport={"width": 1280, "height": 900})
    page = visitor.page
    page.goto("/api/docs/reference")
    page.get_by_role("heading", name="Lister les absences").first.wait_for()
    page.locator("input[type=text]").first.fill("absence")
    page.locator("[role=search] li, [data-role='search:results'] li").first.wait_for()


@pytest.mark.no_database
def test_both_lead_on_by_keyboard(visit: Any) -> None:
    visitor = visit()
    page = visitor.page
    Swagger(page)
    for _step in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Lire":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/api/docs/reference")


@pytest.mark.no_database
def test_without_scripts_the_page_says_where_to_go(visit: Any) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.page.goto("/api/docs")
    assert "Cette page a besoin de JavaScript" in visitor.page.content()


def look(page: Page, where: str) -> None:
    serious(page, where)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{where} is wider than its window"
