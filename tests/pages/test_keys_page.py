"""An agent's own keys on their page: made as by API, shown once, switched and deleted; nobody else's."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.authentication import session
from agents.models import AccessKey, Agent, AgentRole, ClientToken, KeyState
from tests.conftest import WireClient
from tests.factories import PASSWORD, AgentFactory, OrganisationFactory

from .conftest import KEYS, NEW_KEY, SIGN_IN, choices, csrf_token, once, secret_in, shown, signed_in

pytestmark = pytest.mark.django_db


def me(secret: str) -> Any:
    return WireClient().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})


def test_a_key_made_on_the_page_lets_its_agent_in(cast: SimpleNamespace, make: Callable[..., Any]) -> None:
    secret = secret_in(make(name="Export de nuit", note="srv-batch-02"))
    answer = me(secret).json()
    assert answer["agent"]["id"] == cast.martine.pk
    assert answer["credential"]["name"] == "Export de nuit"
    key = AccessKey.objects.get()
    assert (key.agent, key.note, key.read_only, key.resources, key.organisations) == (
        cast.martine, "srv-batch-02", True, None, None,
    )  # fmt: skip


def test_the_secret_is_shown_in_the_answer_alone(martine: Client, make: Callable[..., Any]) -> None:
    answer = make()
    secret = secret_in(answer)
    assert answer["Cache-Control"] == "no-store"
    for address in (KEYS, NEW_KEY, f"/cles/{AccessKey.objects.get().pk}/supprimer", "/activite"):
        assert secret not in shown(martine.get(address))
    assert secret not in str(dict(martine.session))


def test_loading_the_answer_anew_makes_no_second_key(martine: Client) -> None:
    form = choices(martine)
    secret = secret_in(martine.post(NEW_KEY, form))
    again = martine.post(NEW_KEY, form, follow=True)
    assert again.redirect_chain == [(KEYS, 302)]
    assert "Ce formulaire a déjà servi" in shown(again)
    assert secret not in shown(again)
    assert AccessKey.objects.count() == 1


def test_a_form_of_somebody_elses_session_makes_no_key(cast: SimpleNamespace, martine: Client) -> None:
    theirs = once(signed_in(cast.bruno))
    assert martine.post(NEW_KEY, choices(martine) | {"once": theirs})["Location"] == KEYS
    assert not AccessKey.objects.exists()


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("7", "2026-11-23T09:00:00+00:00"),
        ("30", "2026-12-16T09:00:00+00:00"),
        ("60", "2027-01-15T09:00:00+00:00"),
        ("90", "2027-02-14T09:00:00+00:00"),
        ("never", None),
    ],
)
def test_a_key_ends_when_it_was_chosen(now: Any, make: Callable[..., Any], end: str, expected: str | None) -> None:
    secret_in(make(end=end))
    ends = AccessKey.objects.get().expires_at
    assert (ends and ends.isoformat()) == expected


def test_a_key_may_end_with_a_day(now: Any, martine: Client, make: Callable[..., Any]) -> None:
    secret_in(make(end="date", end_day="2027-03-01"))
    assert AccessKey.objects.get().expires_at == datetime.datetime(2027, 3, 1, 23, tzinfo=datetime.UTC)
    assert "fin du 1 mars 2027" in shown(martine.get(KEYS))


def test_a_key_without_end_is_not_offered_where_there_are_none(
    settings: Any, martine: Client, make: Callable[..., Any]
) -> None:
    settings.RDV_KEYS_WITHOUT_END = False
    assert 'value="never"' not in shown(martine.get(NEW_KEY))
    assert make(end="never").status_code == 422
    assert not AccessKey.objects.exists()


def test_a_key_is_for_what_was_ticked(cast: SimpleNamespace, make: Callable[..., Any]) -> None:
    chosen = {
        "access": "false",
        "which_resources": "chosen",
        "resources": ["absences", "agents"],
        "which_organisations": "chosen",
        "organisations": [cast.mds.pk],
    }
    answer = make(**chosen)
    key = AccessKey.objects.get()
    assert (key.read_only, key.resources, key.organisations) == (False, ["absences", "agents"], [cast.mds.pk])
    assert "Lecture et écriture · Absences, Agents · MDS Les Tilleuls" in shown(answer)


def test_an_agent_may_choose_their_own_organisations_alone(
    cast: SimpleNamespace, martine: Client, make: Callable[..., Any]
) -> None:
    form = shown(martine.get(NEW_KEY))
    assert cast.mds.name in form
    assert cast.lille.name not in form
    answer = make(which_organisations="chosen", organisations=[cast.lille.pk])
    assert answer.status_code == 422
    assert cast.lille.name not in shown(answer)
    assert not AccessKey.objects.exists()


WRONG = {
    "without a name": ({"name": ""}, "name"),
    "a name that is too long": ({"name": "x" * 256}, "name"),
    "a note that is too long": ({"note": "x" * 3000}, "note"),
    "no end": ({"end": ""}, "end"),
    "an end that is not offered": ({"end": "8"}, "end"),
    "a date that is missing": ({"end": "date"}, "end_day"),
    "a date that is none": ({"end": "date", "end_day": "2026-02-30"}, "end_day"),
    "a date that is past": ({"end": "date", "end_day": "2026-11-01"}, "end_day"),
    "the last day of the calendar": ({"end": "date", "end_day": "9999-12-31"}, "end_day"),
    "an access that is none": ({"access": "root"}, "access"),
    "chosen resources, and none": ({"which_resources": "chosen"}, "resources"),
    "a resource that is none": ({"which_resources": "chosen", "resources": ["tokens"]}, "resources"),
    "all resources, and some": ({"resources": ["absences"]}, "resources"),
    "chosen organisations, and none": ({"which_organisations": "chosen"}, "organisations"),
    "an organisation that is no number": ({"which_organisations": "chosen", "organisations": "x"}, "organisations"),
    "NUL": ({"name": "a\x00b"}, "name"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_beside_its_field(now: Any, make: Callable[..., Any], wrong: str) -> None:
    changes, field = WRONG[wrong]
    answer = make(**changes)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert f'id="id_{field}_error"' in shown(answer)
    assert re.search(rf'aria-describedby="[^"]*\bid_{field}_error\b', shown(answer))
    assert not AccessKey.objects.exists()


def test_every_failure_is_told_at_once_and_what_was_typed_is_kept(make: Callable[..., Any]) -> None:
    answer = make(name="", note="à garder", end="date", which_resources="chosen")
    assert set(answer.context["form"].errors) == {"name", "end_day", "resources"}
    assert "à garder" in shown(answer)
    assert shown(answer).startswith("<!doctype html>")
    assert "<title>Erreur :" in shown(answer)


def test_a_form_that_was_wrong_may_be_put_right(martine: Client) -> None:
    form = choices(martine, name="")
    assert martine.post(NEW_KEY, form).status_code == 422
    assert secret_in(martine.post(NEW_KEY, form | {"name": "Nuit"}))


def test_what_was_typed_is_text_on_the_page(martine: Client, make: Callable[..., Any]) -> None:
    answer = make(name="<script>alert(1)</script>", note='"><img src=x>')
    for page in (answer, martine.get(KEYS)):
        assert "<script>alert" not in shown(page)
        assert "<img src=x" not in shown(page)


def test_the_lines_name_the_address_by_which_the_server_is_called(settings: Any, make: Callable[..., Any]) -> None:
    assert "http://testserver/api/v1/me" in shown(make())
    settings.RDV_PUBLIC_URL = "https://rdv.agence.test"
    assert "https://rdv.agence.test/api/v1/me" in shown(make())


# The list.


def test_the_list_tells_of_each_key_what_there_is_to_know(now: Any, martine: Client, make: Callable[..., Any]) -> None:
    secret = secret_in(make(name="Nuit", note="voir Bruno"))
    me(secret)
    page = shown(martine.get(KEYS))
    for told in ("Nuit", "voir Bruno", secret[:12], "16 novembre 2026 10:00", "16 décembre 2026 10:00", "Active"):
        assert told in page
    assert secret not in page


def states(now: Any, agent: Agent) -> dict[KeyState, AccessKey]:
    keys = {state: AccessKey.make(agent, name=state.value)[0] for state in KeyState}
    keys[KeyState.DEACTIVATED].switch(on=False)
    AccessKey.objects.filter(pk=keys[KeyState.REVOKED].pk).revoke()
    AccessKey.objects.filter(pk=keys[KeyState.EXPIRED].pk).update(
        expires_at=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    )
    return keys


def test_each_state_has_its_word_and_its_buttons(now: Any, cast: SimpleNamespace, martine: Client) -> None:
    keys = states(now, cast.martine)
    page = shown(martine.get(KEYS))
    for word in ("Active", "Désactivée", "Expirée", "Révoquée"):
        assert f">{word}</span>" in page
    offered = re.findall(r'action="/cles/(\d+)/(activer|desactiver)"', page)
    assert sorted(offered) == sorted(
        [(str(keys[KeyState.ACTIVE].pk), "desactiver"), (str(keys[KeyState.DEACTIVATED].pk), "activer")]
    )


def test_an_organisation_beyond_reach_is_not_named(cast: SimpleNamespace, martine: Client) -> None:
    AccessKey.make(cast.martine, name="Deux", organisations=[cast.mds.pk, cast.lille.pk])
    page = shown(martine.get(KEYS))
    assert "MDS Les Tilleuls, 1 hors de votre portée" in page
    assert cast.lille.name not in page


def test_the_list_asks_as_much_for_many_keys_as_for_one(cast: SimpleNamespace, martine: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert martine.get(KEYS).status_code == 200
        return len(queries)

    AccessKey.make(cast.martine, name="Une", organisations=[cast.mds.pk])
    one = asked()
    for number in range(60):
        AccessKey.make(cast.martine, name=f"Clé {number}", organisations=[cast.mds.pk])
    assert asked() == one
    assert "Page 1 sur 2" in shown(martine.get(KEYS))
    assert "Clé 0" in shown(martine.get(f"{KEYS}?page=2"))
    assert martine.get(f"{KEYS}?page=zut").status_code == 200


# Changes.


def test_a_deactivated_key_is_refused_until_it_is_activated(martine: Client, make: Callable[..., Any]) -> None:
    secret, pk = secret_in(make()), AccessKey.objects.get().pk
    martine.post(f"/cles/{pk}/desactiver")
    refused = me(secret)
    assert refused.status_code == 401
    assert "deactivated" in refused["WWW-Authenticate"]
    martine.post(f"/cles/{pk}/activer")
    assert me(secret).status_code == 200


@pytest.mark.parametrize("state", [KeyState.EXPIRED, KeyState.REVOKED])
def test_a_key_that_is_over_is_not_activated(now: Any, cast: SimpleNamespace, martine: Client, state: KeyState) -> None:
    key = states(now, cast.martine)[state]
    answer = martine.post(f"/cles/{key.pk}/activer", follow=True)
    assert "ne peut plus être activée" in shown(answer)
    assert AccessKey.objects.get(pk=key.pk).state == state


def test_an_agent_of_no_organisation_is_not_asked_for_any(cast: SimpleNamespace) -> None:
    client = signed_in(AgentFactory())
    assert "Seulement celles-ci" in shown(client.get(NEW_KEY))
    assert shown(client.get(NEW_KEY)).count("Seulement celles-ci") == 1, "of resources"
    assert secret_in(client.post(NEW_KEY, choices(client)))


def test_a_key_is_deleted_after_it_was_asked(martine: Client, make: Callable[..., Any]) -> None:
    secret, pk = secret_in(make()), AccessKey.objects.get().pk
    assert "Supprimer « Nuit » ?" in shown(martine.get(f"/cles/{pk}/supprimer"))
    assert AccessKey.objects.exists()
    martine.post(f"/cles/{pk}/supprimer")
    assert not AccessKey.objects.exists()
    assert me(secret).status_code == 401


CHANGES = ("activer", "desactiver", "supprimer")


@pytest.mark.parametrize("change", CHANGES)
def test_another_agents_key_is_as_none(cast: SimpleNamespace, martine: Client, change: str) -> None:
    key, _secret = AccessKey.make(cast.bruno, name="De Bruno")
    for pk in (key.pk, 999_999, 10**30):
        answer = martine.post(f"/cles/{pk}/{change}")
        assert answer.status_code == 404
        assert "De Bruno" not in shown(answer)
    assert AccessKey.objects.get().deactivated_at is None


@pytest.mark.parametrize("change", CHANGES)
def test_a_page_left_open_after_sign_out_does_nothing(
    cast: SimpleNamespace, martine: Client, make: Callable[..., Any], change: str
) -> None:
    secret, pk, form = secret_in(make()), AccessKey.objects.get().pk, choices(martine)
    martine.post("/deconnexion")
    assert martine.post(f"/cles/{pk}/{change}")["Location"].startswith(SIGN_IN)
    assert martine.post(NEW_KEY, form)["Location"].startswith(SIGN_IN)
    assert me(secret).status_code == 200
    assert AccessKey.objects.count() == 1


def test_a_page_of_who_was_signed_in_before_does_nothing_for_who_is_now(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine, enforce_csrf_checks=True)
    form = choices(client) | {"csrfmiddlewaretoken": csrf_token(client.get(NEW_KEY))}
    client.post("/deconnexion", {"csrfmiddlewaretoken": form["csrfmiddlewaretoken"]})
    typed = {"username": cast.bruno.email, "password": PASSWORD}
    client.post(SIGN_IN, typed | {"csrfmiddlewaretoken": csrf_token(client.get(SIGN_IN))})
    answer = client.post(NEW_KEY, form)
    assert answer.status_code == 403
    assert "Formulaire périmé" in shown(answer)
    assert not AccessKey.objects.exists()


@pytest.mark.parametrize("end", ["put aside", "password", "signed out elsewhere"])
def test_a_key_that_was_asked_for_while_the_session_ended_is_not_made(
    cast: SimpleNamespace, martine: Client, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The session is looked at again before the commit: what ends it meanwhile is stood in for."""
    form = choices(martine)
    key = martine.session.session_key

    def meanwhile(agent: int) -> None:
        if end == "put aside":
            Agent.objects.filter(pk=agent).update(is_active=False)
        elif end == "password":
            Agent.objects.filter(pk=agent).update(password="plain$Un autre 2026 !")
        else:
            martine.session.delete(key)

    monkeypatch.setattr(session, "hold_rights", meanwhile)
    assert martine.post(NEW_KEY, form)["Location"].startswith(SIGN_IN)
    assert not AccessKey.objects.exists()


def test_no_key_is_made_where_that_is_switched_off(settings: Any, martine: Client) -> None:
    form = choices(martine)
    settings.RDV_KEY_CREATION = False
    for answer in (martine.get(NEW_KEY), martine.post(NEW_KEY, form)):
        assert answer.status_code == 403
        assert "La création de clés est désactivée sur ce serveur." in shown(answer)
    assert NEW_KEY not in shown(martine.get(KEYS))
    assert not AccessKey.objects.exists()


def test_an_agent_who_is_put_aside_is_out_at_once(cast: SimpleNamespace, martine: Client) -> None:
    assert martine.get(KEYS).status_code == 200
    Agent.objects.filter(pk=cast.martine.pk).update(is_active=False)
    assert martine.get(KEYS)["Location"] == f"{SIGN_IN}?next={KEYS}"


def test_a_key_never_has_more_than_its_agent(cast: SimpleNamespace, make: Callable[..., Any]) -> None:
    other = OrganisationFactory()
    AgentRole.objects.create(agent=cast.martine, organisation=other)
    secret = secret_in(make(which_organisations="chosen", organisations=[other.pk]))
    AgentRole.objects.filter(organisation=other).delete()
    answer = WireClient().get("/api/v1/organisations", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["organisations"] == []


# Out, everywhere.


@pytest.mark.parametrize("keys", [False, True])
def test_signing_out_everywhere_ends_sessions_and_tokens_and_keys_if_asked(
    cast: SimpleNamespace, martine: Client, make: Callable[..., Any], sign_in: Any, keys: bool
) -> None:
    secret, elsewhere, bruno = secret_in(make()), signed_in(cast.martine), signed_in(cast.bruno)
    token, his = sign_in(cast.martine), sign_in(cast.bruno)
    assert "Révoquer aussi toutes mes clés" in shown(martine.get("/deconnexion/partout"))
    assert ClientToken.objects.live().count() == 2
    answer = martine.post("/deconnexion/partout", {"keys": "1"} if keys else {})
    assert answer["Location"] == SIGN_IN
    for ended in (martine, elsewhere):
        assert ended.get(KEYS).status_code == 302
    assert token.get("/api/v1/me").status_code == 401
    assert me(secret).status_code == (401 if keys else 200)
    assert bruno.get(KEYS).status_code == 200
    assert his.get("/api/v1/me").status_code == 200
