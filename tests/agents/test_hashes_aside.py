"""No request hashes a password within a transaction: others would wait for its locks, and for the worker's turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from tests.conftest import PlainHasher, WireClient
from tests.factories import AgentFactory

OLD, NEW = "Rendez-vous 2026 !", "Rendez-vous 2027 !"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each hash that was made or checked, whether it was within a transaction."""
    within: list[bool] = []

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def hashing(*args: Any) -> Any:
            within.append(connection.in_atomic_block)
            return work(*args)

        return hashing

    monkeypatch.setattr(PlainHasher, "encode", watched(PlainHasher.encode))
    monkeypatch.setattr(PlainHasher, "verify", watched(PlainHasher.verify))
    return within


@pytest.fixture
def odile() -> Agent:
    agent = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    agent.set_password(OLD)
    agent.save()
    return agent


def test_signing_in(odile: Agent, hashed: list[bool]) -> None:
    for password, status in ((OLD, 200), (NEW, 401)):
        pair = {"email": odile.email, "password": password}
        assert WireClient().post("/api/v1/auth/sign_in", pair).status_code == status
    assert WireClient().post("/api/v1/auth/sign_in", {"email": "x@exemple.test", "password": OLD}).status_code == 401
    assert len(hashed) >= 3
    assert not any(hashed)


def test_signing_in_to_the_pages(odile: Agent, hashed: list[bool]) -> None:
    for password, status in ((NEW, 200), (OLD, 302)):
        answer = Client().post(reverse("admin:login"), {"username": odile.email, "password": password})
        assert answer.status_code == status
    assert len(hashed) >= 2
    assert not any(hashed)


def test_changing_a_password(odile: Agent, sign_in: Callable[[Agent], WireClient], hashed: list[bool]) -> None:
    pair = {"password": NEW, "password_confirmation": NEW}
    assert sign_in(odile).put("/api/v1/auth/password", pair).status_code == 200
    assert hashed == [False]


def test_changing_a_password_on_the_pages(odile: Agent, hashed: list[bool]) -> None:
    browser, other = Client(), AgentFactory()
    browser.force_login(odile, backend="agents.backends.PasswordBackend")
    hashed.clear()
    pair = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    address = reverse("admin:auth_user_password_change", args=(other.pk,))
    assert browser.post(address, pair | {"set-password": "x"}).status_code == 302
    pair = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    assert browser.post(reverse("admin:password_change"), pair).status_code == 302
    assert len(hashed) >= 3
    assert not any(hashed)
