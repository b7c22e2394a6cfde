"""The pages of webhooks as people use them: a real browser, a real server, a real worker, a receiver that recovers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.server import Server, serving
from tests.webhooks.receiver import Receiver, answers

from .test_pages import DIRECTORY, Visitor, browser, pytestmark

__all__ = ["browser", "pytestmark"]

MANAGED = f"""{DIRECTORY}
from agents.models import AgentTerritorialRole
AgentTerritorialRole.objects.create(agent=martine, territory=territory)
"""
ENDPOINT = """
import os
from agents.models import Organisation
from webhooks.models import WebhookEndpoint
endpoint = WebhookEndpoint(organisation=Organisation.objects.first(), target_url=os.environ["RECEIVER"])
endpoint.give_secret("secret-de-webhook")
endpoint.save()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("webhooks")
    with serving(folder, "shell", "-c", MANAGED, workers=1) as running:
        running.environment["RDV_WEBHOOKS_ALLOWED_NETWORKS"] = "127.0.0.0/8"
        yield running


@pytest.fixture(params=[1200, 360], ids=["wide", "narrow"])
def martine(request: Any, browser: Any, server: Server) -> Iterator[Visitor]:
    visitor = Visitor(browser, server, viewport={"width": request.param, "height": 800})
    visitor.sign_in()
    yield visitor
    visitor.context.close()
    assert visitor.elsewhere == []
    assert visitor.complaints == []


def looked_at(visitor: Visitor, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    found = Axe().run(visitor.page)
    assert found.violations_count == 0, found.generate_report()
    page = visitor.page
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} is wider than its window"


def test_a_webhook_is_tried_read_of_and_sent_to_again(martine: Visitor, server: Server) -> None:
    page = martine.page
    page.goto("/webhooks")
    with Receiver(does=answers(500, b"en panne")) as receiver:
        server.environment["RECEIVER"] = receiver.url
        server.manage("shell", "-c", ENDPOINT)
        page.goto("/cles")
        page.get_by_role("link", name="Webhooks").click()
        looked_at(martine, "webhooks")
        page.get_by_role("button", name=f"Essayer {receiver.url}").click()
        looked_at(martine, "webhook-tried")
        server.manage("webhooks_worker", "--once")
        page.reload()
        page.get_by_text("1 essai", exact=True).click()
        assert page.get_by_text("en panne").is_visible()
        looked_at(martine, "webhook-failed")
        receiver.does = answers(200, "bien reçu".encode())
        server.manage("shell", "-c", "from webhooks.models import *; Delivery.objects.update(state='failed')")
        page.goto("/webhooks")
        page.get_by_role("link", name=f"Envois vers {receiver.url}").click()
        page.get_by_role("button", name=f"Renvoyer à {receiver.url} tout ce qui a échoué").click()
        assert page.get_by_text("1 envoi va repartir.").is_visible()
        server.manage("webhooks_worker", "--once")
        page.get_by_label("État").select_option(label="reçu")
        page.get_by_role("button", name="Afficher").click()
        page.get_by_text("2 essais", exact=True).click()
        assert page.get_by_text("bien reçu").is_visible()
        looked_at(martine, "webhook-received")
    assert len({received.id for received in receiver.requests}) == 1
