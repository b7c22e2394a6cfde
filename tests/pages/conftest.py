"""Agents in a browser, without one: what the pages answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent

SIGN_IN, KEYS, NEW_KEY, ACTIVITY = "/connexion", "/cles", "/cles/nouvelle", "/activite"


def signed_in(agent: Agent, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(agent, backend="agents.backends.PasswordBackend")
    return client


def shown(answer: Any) -> str:
    """The text of a page."""
    return str(answer.content.decode())


def csrf_token(page: Any) -> str:
    found = re.search(r'csrfmiddlewaretoken" value="([^"]+)', shown(page))
    assert found
    return found[1]


def once(client: Client, address: str = NEW_KEY) -> str:
    """The number of a form of a new key."""
    found = re.search(r'name="once" value="([^"]+)"', shown(client.get(address)))
    assert found
    return found[1]


def choices(client: Client, address: str = NEW_KEY, **changes: Any) -> dict[str, Any]:
    """What the form of a new key sends when nothing but `changes` was chosen."""
    usual = {"name": "Nuit", "end": "30", "access": "true", "which_resources": "all", "which_organisations": "all"}
    return usual | {"once": once(client, address)} | changes


def secret_in(answer: Any) -> str:
    found = re.search(r"rdv_(?:pat|api)_[0-9A-Za-z]{36}", shown(answer))
    assert found, shown(answer)
    return found[0]


@pytest.fixture
def martine(cast: SimpleNamespace) -> Client:
    return signed_in(cast.martine)


@pytest.fixture
def make(martine: Client) -> Callable[..., Any]:
    """Martine's answer to the form of a new key."""

    def made(**changes: Any) -> Any:
        return martine.post(NEW_KEY, choices(martine, **changes))

    return made
