"""Signing in with a browser: the accounts and the slowing of the API, a session, and no way to other servers."""

from __future__ import annotations

import datetime
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.test import Client

from agents.models import Agent
from tests.factories import PASSWORD, AgentFactory

from .conftest import ACTIVITY, KEYS, NEW_KEY, SIGN_IN, csrf_token, shown, signed_in

pytestmark = pytest.mark.django_db


def come(email: str, password: str = PASSWORD, client: Client | None = None, **more: Any) -> Any:
    return (client or Client()).post(SIGN_IN, {"username": email, "password": password, **more})


def test_an_agent_signs_in_whatever_the_case_of_the_email(cast: SimpleNamespace) -> None:
    client = Client()
    assert come("Martine@Demo.RDV-solidarites.FR", client=client)["Location"] == KEYS
    assert "Mes clés" in shown(client.get(KEYS))
    assert Agent.objects.get(pk=cast.martine.pk).last_login is not None


@pytest.mark.parametrize("email", ["martine@demo.rdv-solidarites.fr", "personne@exemple.test"])
def test_a_wrong_password_tells_nothing(cast: SimpleNamespace, email: str) -> None:
    answer = come(email, "faux")
    assert answer.status_code == 200
    assert "E-mail ou mot de passe inconnu." in shown(answer)
    assert "faux" not in shown(answer)


@pytest.mark.parametrize(
    "typed", [{}, {"username": "a\x00b", "password": "x"}, {"username": "x" * 300, "password": "x"}]
)
def test_what_can_be_nobodys_is_refused_as_such(db: None, typed: dict[str, str]) -> None:
    answer = Client(raise_request_exception=False).post(SIGN_IN, typed)
    assert answer.status_code == 200
    assert "sessionid" not in answer.cookies


def test_an_agent_put_aside_is_told_so_with_the_right_password_alone(cast: SimpleNamespace) -> None:
    Agent.objects.filter(pk=cast.martine.pk).update(is_active=False)
    sentence = "Votre compte n&#x27;est pas actif"
    assert sentence in shown(come(cast.martine.email))
    assert sentence not in shown(come(cast.martine.email, "faux"))
    assert not Session.objects.exists()


def test_an_agent_who_left_is_not_let_in(cast: SimpleNamespace) -> None:
    cast.bruno.leave()
    assert come("bruno@exemple.test").status_code == 200


@pytest.mark.parametrize("where", [NEW_KEY, "/cles?page=2", ACTIVITY, "/admin/"])
def test_next_leads_to_a_page_of_this_server(cast: SimpleNamespace, where: str) -> None:
    assert come(cast.martine.email, next=where)["Location"] == where


@pytest.mark.parametrize(
    "where",
    ["https://ailleurs.test/", "//ailleurs.test", "///ailleurs.test", r"\\ailleurs.test", "javascript:alert(1)",
     "http:ailleurs.test", "https:///ailleurs.test", "/\\ailleurs.test", " //ailleurs.test", "\t//ailleurs.test"],
)  # fmt: skip
def test_next_leads_nowhere_else(cast: SimpleNamespace, where: str) -> None:
    assert come(cast.martine.email, next=where)["Location"] == KEYS
    assert signed_in(cast.martine).get(SIGN_IN, {"next": where})["Location"] == KEYS


def test_next_does_not_lead_round_in_circles(cast: SimpleNamespace) -> None:
    for where in (SIGN_IN, f"{SIGN_IN}?next={SIGN_IN}", f"http://testserver{SIGN_IN}"):
        assert come(cast.martine.email, next=where)["Location"] == KEYS
        assert signed_in(cast.martine).get(SIGN_IN, {"next": where})["Location"] == KEYS


def test_a_stranger_is_asked_to_sign_in_and_led_on(cast: SimpleNamespace) -> None:
    client = Client()
    for address in (KEYS, NEW_KEY, ACTIVITY, "/deconnexion/partout", "/cles/1/supprimer"):
        asked = client.get(address)
        assert asked["Location"] == f"{SIGN_IN}?next={address}"
    form = client.get(f"{SIGN_IN}?next={ACTIVITY}")
    assert f'name="next" value="{ACTIVITY}"' in shown(form)


def test_guesses_are_slowed_with_those_by_api(now: Any, cast: SimpleNamespace, anonymous: Any) -> None:
    for _number in range(configured.AXES_FAILURE_LIMIT - 1):
        assert come(cast.martine.email, "faux").status_code == 200
    anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": "faux"})
    answer = come(cast.martine.email)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "Merci de patienter 15 minutes" in shown(answer)
    assert 'action="/langue"' in shown(answer), "the agents' own page, not the administration's"
    now.tick(datetime.timedelta(minutes=16))
    assert come(cast.martine.email).status_code == 302


def test_signing_out_ends_the_session(cast: SimpleNamespace) -> None:
    client = Client()
    come(cast.martine.email, client=client)
    kept = client.cookies["sessionid"].value
    assert client.post("/deconnexion")["Location"] == SIGN_IN
    assert "Vous êtes déconnecté." in shown(client.get(SIGN_IN))
    client.cookies["sessionid"] = kept
    assert client.get(KEYS).status_code == 302


def test_signing_out_is_asked_for_by_a_form(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine)
    assert client.get("/deconnexion").status_code == 405
    assert client.get(KEYS).status_code == 200


def test_signing_in_begins_another_session(cast: SimpleNamespace) -> None:
    """Whoever planted a session in a browser does not share the one that begins there."""
    client = signed_in(cast.bruno)
    planted = client.cookies["sessionid"].value
    client.post("/deconnexion")
    client.cookies["sessionid"] = planted
    come(cast.martine.email, client=client)
    assert client.cookies["sessionid"].value != planted


@pytest.mark.parametrize(
    "address", [SIGN_IN, "/deconnexion", NEW_KEY, "/cles/1/supprimer", "/langue", "/premier-administrateur"]
)
def test_a_form_of_another_making_is_refused(cast: SimpleNamespace, address: str) -> None:
    client = signed_in(cast.martine, enforce_csrf_checks=True)
    for headers in ({}, {"Origin": "https://ailleurs.test"}):
        answer = client.post(address, {"csrfmiddlewaretoken": "a" * 64}, headers=headers)
        assert answer.status_code == 403
        assert "Formulaire périmé" in shown(answer)
    assert client.get(KEYS).status_code == 200


def test_nobody_signs_in_with_a_password_where_that_is_switched_off(settings: Any, cast: SimpleNamespace) -> None:
    settings.RDV_PASSWORD_SIGN_IN = False
    for answer in (Client().get(SIGN_IN), come(cast.martine.email)):
        assert answer.status_code == 403
        assert "La connexion par mot de passe est désactivée sur ce serveur." in shown(answer)
    assert Client().get("/admin/login/").status_code == 200
    assert Client().get("/")["Location"] == "/admin/"
    assert signed_in(cast.martine).get(KEYS).status_code == 200


def test_the_server_alone_leads_everybody_to_where_they_belong(cast: SimpleNamespace) -> None:
    odile = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    assert Client().get("/")["Location"] == SIGN_IN
    assert signed_in(cast.martine).get("/")["Location"] == KEYS
    assert signed_in(odile).get("/")["Location"] == "/admin/"


def test_the_pages_lead_to_each_other(cast: SimpleNamespace) -> None:
    odile = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    page = shown(signed_in(odile).get(KEYS))
    for address in (KEYS, NEW_KEY, ACTIVITY, "/deconnexion/partout", "/admin/"):
        assert f'href="{address}"' in page
    assert 'href="/admin/"' not in shown(signed_in(cast.martine).get(KEYS))
    assert f'href="{KEYS}"' in shown(signed_in(odile).get("/admin/"))


# Every page.


def pages(agent: Agent) -> dict[str, Any]:
    client = signed_in(agent)
    own = {
        address: client.get(address)
        for address in (KEYS, NEW_KEY, ACTIVITY, "/deconnexion/partout", "/cles/0/supprimer")
    }
    return own | {SIGN_IN: Client().get(SIGN_IN), "/premier-administrateur": Client().get("/premier-administrateur")}


def test_no_page_is_kept_nor_framed_nor_runs_what_is_not_ours(cast: SimpleNamespace) -> None:
    for address, page in pages(cast.martine).items():
        assert "no-store" in page["Cache-Control"], address
        policy = page["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        text = shown(page)
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text), address
        hosts = re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*', text)
        assert hosts == [], address


@pytest.mark.parametrize(("asked", "language"), [("fr", "fr"), ("en", "en"), ("de", "fr")])
def test_pages_speak_the_language_that_the_browser_asks_for(cast: SimpleNamespace, asked: str, language: str) -> None:
    page = Client().get(SIGN_IN, headers={"Accept-Language": asked})
    assert f'<html lang="{language}">' in shown(page)
    assert ("Sign in" in shown(page)) is (language == "en")


def test_a_language_chosen_in_the_footer_stays(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine)
    answer = client.post("/langue", {"language": "en", "next": ACTIVITY}, headers={"Accept-Language": "fr"})
    assert answer["Location"] == ACTIVITY
    cookie = answer.cookies["django_language"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert "My keys" in shown(client.get(KEYS, headers={"Accept-Language": "fr"}))
    assert (
        client.post("/langue", {"language": "en", "next": "https://ailleurs.test/"})["Location"]
        != "https://ailleurs.test/"
    )


def test_a_form_is_whole_without_a_script(cast: SimpleNamespace) -> None:
    """Every button is a form's; what needs the script, copying, is hidden without it."""
    client = signed_in(cast.martine, enforce_csrf_checks=True)
    page = client.get(NEW_KEY)
    assert csrf_token(page)
    outside = re.sub(r"<form.*?</form>", "", shown(page), flags=re.DOTALL)
    assert "<button" not in outside
