"""The pages as people use them: a real browser, a real server, keys that open it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.server import Server, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.live,
    pytest.mark.any_database,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]

# A browser that asks nobody but the server; in a container it cannot shut itself in.
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
MARTINE, PASSWORD, NEW = "martine@agence.test", "Rendez-vous 2026 !", "Un bon départ 2026 !"
# What the browser notes of refusals, and of a day that is none.
EXPECTED = "the server responded with a status of 4|does not conform to the required format"
DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
territory = Territory.objects.create(name="Paris", departement_number="75")
places = [Organisation.objects.create(name=name, territory=territory) for name in ("MDS Les Tilleuls", "MDS du Port")]
martine = Agent.objects.create_user("{MARTINE}", "{PASSWORD}", first_name="Martine", last_name="VALIDAY")
for place in places:
    AgentRole.objects.create(agent=martine, organisation=place, access_level="admin")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("pages"), "shell", "-c", DIRECTORY, workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


class Visitor:
    """Somebody at a browser of their own. What it says in its console and asks of others is noted."""

    def __init__(self, browser: Browser, server: Server, **options: Any) -> None:
        options = {"locale": "fr-FR", "base_url": server.address} | options
        self.context = browser.new_context(**options)
        self.server = server
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", self._asked)
        self.context.on("console", self._said)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)

    def _asked(self, request: Any) -> None:
        if not request.url.removeprefix("blob:").startswith((self.server.address, "data:")):
            self.elsewhere.append(request.url)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning") and not re.search(EXPECTED, message.text):
            self.complaints.append(message.text)

    def press(self, selector: str, page: Page | None = None) -> None:
        page = page or self.page
        with page.expect_navigation():
            page.click(selector)

    def sign_in(self) -> None:
        self.page.goto("/connexion")
        self.page.fill("#id_username", MARTINE)
        self.page.fill("#id_password", PASSWORD)
        self.press("main button")

    def make_key(self, name: str) -> str:
        """A key with the choices that the page offers first; gives its secret."""
        self.page.goto("/cles/nouvelle")
        self.page.fill("#id_name", name)
        self.press("main button.main")
        return self.secret()

    def secret(self) -> str:
        return self.page.locator("#secret").inner_text()

    def key(self, name: str) -> Any:
        return self.page.locator("li", has=self.page.get_by_role("heading", name=name, exact=True))


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Any]:
    visitors: list[Visitor] = []

    def one(**options: Any) -> Visitor:
        visitors.append(Visitor(browser, server, **options))
        return visitors[-1]

    yield one
    for visitor in visitors:
        visitor.context.close()
        assert visitor.elsewhere == []
        assert visitor.complaints == []


def opens(server: Server, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return requests.get(f"{server.address}/api/v1/me", headers=headers, timeout=30).status_code


def paste(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a line does in the shell of somebody who has HTTPie."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "HTTPIE_CONFIG_DIR": str(folder), "LANG": "C.UTF-8"}
    # HTTPie reads its input where that is no terminal, and tells a refusal when it is asked to.
    line = re.sub("^http ", "http --ignore-stdin --check-status ", line)
    command = ["bash", "-c", line]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_lines_shown_with_a_key_work_until_it_is_deactivated(visit: Any, tmp_path: Path) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.sign_in()
    secret = visitor.make_key("Export de nuit")
    lines = [visitor.page.locator(f"#line-{number}").inner_text() for number in (1, 2)]
    for number, expected in enumerate((secret, *lines)):
        visitor.page.locator("[data-copies]").nth(number).click()
        assert visitor.page.evaluate("navigator.clipboard.readText()") == expected
    for line in lines:
        done = paste(line, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert MARTINE in done.stdout
    visitor.page.goto("/cles")
    with visitor.page.expect_navigation():
        visitor.key("Export de nuit").get_by_role("button").click()
    assert "Désactivée" in visitor.key("Export de nuit").inner_text()
    for line in lines:
        assert paste(line, tmp_path).returncode != 0
    with visitor.page.expect_navigation():
        visitor.key("Export de nuit").get_by_role("button").click()
    assert paste(lines[0], tmp_path).returncode == 0


def test_a_key_is_gone_when_its_page_is_loaded_anew_or_come_back_to(visit: Any) -> None:
    visitor = visit()
    visitor.sign_in()
    secret = visitor.make_key("Une seule fois")
    visitor.page.reload()
    assert visitor.page.url.endswith("/cles")
    assert secret not in visitor.page.content()
    assert visitor.page.get_by_role("heading", name="Une seule fois").count() == 1
    visitor.page.go_back()
    assert secret not in visitor.page.content()


def test_a_page_left_open_after_sign_out_does_nothing(visit: Any, server: Server) -> None:
    visitor = visit()
    visitor.sign_in()
    secret = visitor.make_key("Restée ouverte")
    visitor.page.goto("/cles")
    other = visitor.context.new_page()
    other.goto("/cles")
    visitor.press("header button", other)
    with visitor.page.expect_navigation():
        visitor.key("Restée ouverte").get_by_role("button").click()
    assert "/connexion" in visitor.page.url
    assert opens(server, secret) == 200


def test_everything_is_done_with_the_keyboard_alone(visit: Any, server: Server) -> None:
    visitor = visit()
    page, keyboard = visitor.page, visitor.page.keyboard

    def focused() -> str:
        return str(page.evaluate("document.activeElement.id || document.activeElement.innerText"))

    def walk_to(where: str) -> None:
        for _step in range(60):
            if focused().strip() == where:
                # Whoever comes there sees it.
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
                return
            keyboard.press("Tab")
        raise AssertionError(f"{where} is out of reach; last at {focused()}")

    page.goto("/connexion")
    assert focused() == "id_username"
    keyboard.type(MARTINE)
    walk_to("id_password")
    keyboard.type(PASSWORD)
    with page.expect_navigation():
        keyboard.press("Enter")
    keyboard.press("Tab")
    assert focused() == "Aller au contenu"
    keyboard.press("Enter")
    walk_to("Créer une clé")
    with page.expect_navigation():
        keyboard.press("Enter")
    walk_to("id_name")
    keyboard.type("Au clavier")
    walk_to("id_end_1")
    keyboard.press("ArrowLeft")
    walk_to("id_access_0")
    keyboard.press("ArrowRight")
    walk_to("id_which_resources_0")
    keyboard.press("ArrowRight")
    walk_to("id_resources_0")
    keyboard.press("Space")
    walk_to("Créer la clé")
    with page.expect_navigation():
        keyboard.press("Enter")
    secret = visitor.secret()
    walk_to("C'est fait : revenir à mes clés")
    with page.expect_navigation():
        keyboard.press("Enter")
    assert "Lecture et écriture · Absences" in visitor.key("Au clavier").inner_text()
    assert opens(server, secret) == 200
    walk_to("Supprimer")
    with page.expect_navigation():
        keyboard.press("Enter")
    walk_to("Supprimer la clé")
    with page.expect_navigation():
        keyboard.press("Enter")
    assert opens(server, secret) == 401


def test_everything_is_done_without_a_script(visit: Any, server: Server) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.sign_in()
    secret = visitor.make_key("Sans script")
    assert visitor.page.locator("[data-copies]:visible").count() == 0
    assert opens(server, secret) == 200
    visitor.page.goto("/cles")
    with visitor.page.expect_navigation():
        visitor.key("Sans script").get_by_role("link").click()
    visitor.press("main button")
    assert opens(server, secret) == 401
    visitor.press("footer button[value=en]")
    assert visitor.page.locator("h1").inner_text() == "My keys"
    visitor.press("header button")
    assert "You are signed out." in visitor.page.content()


def test_the_secret_in_the_servers_log_makes_the_first_administrator(visit: Any, server: Server) -> None:
    visitor = visit()
    until = time.monotonic() + 60
    while not (found := re.search(r"secret : (\S{22})\n", server.log)):
        assert time.monotonic() < until, server.log
        time.sleep(0.05)
    assert f"{server.address}/premier-administrateur" in server.log
    page = visitor.page
    page.goto("/premier-administrateur")
    page.fill("#id_secret", found[1])
    page.fill("#id_email", "odile@agence.test")
    page.fill("#id_password1", "court")
    page.fill("#id_password2", "court")
    visitor.press("main button")
    assert "au moins 12 caractères" in page.locator("#id_password1_error").inner_text()
    serious(page, "first administrator, wrong")
    for field, text in (("secret", found[1]), ("password1", NEW), ("password2", NEW)):
        page.fill(f"#id_{field}", text)
    visitor.press("main button")
    assert "/admin/login/" in page.url
    page.fill("#id_username", "odile@agence.test")
    page.fill("#id_password", NEW)
    visitor.press("[type=submit]")
    assert page.url == f"{server.address}/admin/"
    page.goto("/premier-administrateur")
    assert "Ce serveur a déjà un administrateur" in page.content()


def serious(page: Page, where: str) -> None:
    """Fails on what axe finds serious or critical."""
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert found == [], (where, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found])


@pytest.mark.parametrize(("language", "word", "width"), [("fr-FR", "Mes clés", 1200), ("en-GB", "My keys", 360)])
def test_axe_finds_nothing_serious_on_any_page(visit: Any, language: str, word: str, width: int) -> None:
    visitor = visit(locale=language, viewport={"width": width, "height": 800})
    page = visitor.page

    def look(where: str) -> None:
        serious(page, where)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{where} is wider than its window"

    page.goto("/connexion")
    look("sign in")
    visitor.press("main button")
    look("sign in, wrong")
    visitor.sign_in()
    page.goto("/cles/nouvelle")
    look("new key")
    for name in ("end][value=date", "which_resources][value=chosen", "which_organisations][value=chosen"):
        page.check(f"input[name={name}]")
    visitor.press("main button.main")
    assert page.locator(".errorlist:visible").count() == 4
    look("new key, wrong")
    visitor.make_key(f"Pour axe {language} {width}")
    look("a key, shown")
    page.goto("/cles")
    assert page.locator("h1").inner_text() == word
    look("keys")
    with page.expect_navigation():
        page.locator("a.danger").first.click()
    look("delete")
    for address in ("/erreurs", "/erreurs/invalid_parameters", "/erreurs/blank", "/erreurs/rien", "/versions"):
        page.goto(address)
        look(address)
    page.goto("/absences/importer")
    look("import")
    table = "agent;titre;du;au\n{0};Congés;2026-12-23;{1}\n"
    for last, answer in (("2026-12-01", "alert"), ("2026-12-31", "status")):
        text = table.format(MARTINE, last).encode()
        page.set_input_files("#file", {"name": "congés.csv", "mimeType": "text/csv", "buffer": text})
        visitor.press("main button.main")
        assert page.locator(f"main .message[role={answer}]").count() == 1
        assert page.locator("table.lines tbody tr").count() == 1
        look(f"import, {answer}")
    visitor.press("main button.main")
    assert page.locator("main .message.success").count() == 1
    look("import, done")
    for address in ("/activite", "/activite?since=hier", "/deconnexion/partout", "/cles/0/supprimer"):
        page.goto(address)
        look(address)
