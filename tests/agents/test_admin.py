"""The administration pages of who: what they show, what they refuse, and that they stay quick."""

from __future__ import annotations

import html
import re
from types import SimpleNamespace
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from psycopg.errors import DeadlockDetected

from agents.models import AccessLevel, Agent, AgentRole, ClientToken, Organisation, Service, Territory
from tests.factories import PASSWORD, AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory

pytestmark = pytest.mark.django_db

LISTS = (
    "agents_agent",
    "agents_clienttoken",
    "agents_organisation",
    "agents_service",
    "agents_territory",
    "absences_absence",
    "axes_accessattempt",
)


def browser_of(agent: Agent) -> Client:
    client = Client()
    client.force_login(agent, backend="agents.backends.PasswordBackend")
    return client


@pytest.fixture
def odile(db: None) -> Agent:
    """The administrator of the server."""
    return AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)


@pytest.fixture
def browser(odile: Agent) -> Client:
    return browser_of(odile)


@pytest.fixture
def helper(db: None) -> Client:
    """Somebody with every right on agents and tokens who is no superuser."""
    agent = AgentFactory(email="renfort@exemple.test", is_staff=True)
    agent.user_permissions.set(Permission.objects.filter(content_type__model__in=("agent", "clienttoken")))
    return browser_of(agent)


def page(agent: Agent) -> str:
    return reverse("admin:agents_agent_change", args=(agent.pk,))


def form_of(agent: Agent, *roles: AgentRole, **changes: Any) -> dict[str, Any]:
    """What the page of `agent` sends when nothing but `changes` was changed."""
    fields: dict[str, Any] = {
        "first_name": agent.first_name or "",
        "last_name": agent.last_name or "",
        "email": agent.email or "",
        "services": [service.pk for service in agent.services.all()] if agent.pk else [],
        "inclusion_connect_open_id_sub": "",
        "territorial_roles-TOTAL_FORMS": 0,
        "territorial_roles-INITIAL_FORMS": 0,
        "external_names-TOTAL_FORMS": 0,
        "external_names-INITIAL_FORMS": 0,
        "roles-TOTAL_FORMS": len(roles),
        "roles-INITIAL_FORMS": len([role for role in roles if role.pk]),
    }
    if agent.is_active:
        fields["is_active"] = "on"
    if agent.pk:
        fields["seen_change"] = Agent.objects.get(pk=agent.pk).updated_at.isoformat()
    for number, role in enumerate(roles):
        fields |= {
            f"roles-{number}-id": role.pk or "",
            f"roles-{number}-agent": agent.pk or "",
            f"roles-{number}-organisation": role.organisation_id,
            f"roles-{number}-access_level": role.access_level,
        }
    return fields | changes


def act(client: Client, name: str, *rows: Any, where: str = "agents_agent", **more: Any) -> Any:
    data = {"action": name, "_selected_action": [row.pk for row in rows], **more}
    return client.post(reverse(f"admin:{where}_changelist"), data, follow=True)


def refusals(response: Any) -> str:
    """The sentences in red on a form, its inlines included."""
    assert response.status_code == 200
    context = response.context
    failures = [str(context["adminform"].form.errors)]
    for inline in context["inline_admin_formsets"]:
        failures += [str(inline.formset.non_form_errors()), *map(str, inline.formset.errors)]
    return " ".join(failures)


# Getting in.


def sign_in(email: str, password: str = PASSWORD, client: Client | None = None) -> Any:
    data = {"username": email, "password": password, "next": "/admin/"}
    return (client or Client()).post(reverse("admin:login"), data)


def test_an_administrator_signs_in_whatever_the_case_of_the_email(odile: Agent) -> None:
    assert sign_in("Odile@Exemple.TEST").url == "/admin/"


def test_an_agent_who_is_no_administrator_does_not_get_in(cast: SimpleNamespace) -> None:
    response = sign_in(cast.martine.email)
    assert response.status_code == 200
    assert "ou compte sans accès" in response.content.decode()


def test_failed_sign_ins_lock_out_whatever_the_case_of_the_email(odile: Agent, settings: Any) -> None:
    for number in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in("Odile@exemple.test" if number % 2 else "odile@EXEMPLE.test", "faux")
    assert response.status_code == 429
    assert sign_in("odile@exemple.test").status_code == 429


def test_the_page_of_a_lock_out_says_how_long_it_lasts(odile: Agent, settings: Any) -> None:
    for _number in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in("odile@exemple.test", "faux")
    assert "patienter 15 minutes" in response.content.decode()
    assert response["Retry-After"] == "900"


def test_failures_below_the_limit_do_not_keep_an_administrator_out(odile: Agent, settings: Any) -> None:
    for _number in range(settings.AXES_FAILURE_LIMIT - 1):
        sign_in("odile@exemple.test", "faux")
    assert sign_in("odile@exemple.test").status_code == 302


def test_the_session_of_a_deactivated_agent_ends(browser: Client, odile: Agent) -> None:
    Agent.objects.filter(pk=odile.pk).update(is_active=False)
    assert browser.get("/admin/").url.startswith("/admin/login/")
    Agent.objects.filter(pk=odile.pk).update(is_active=True)
    assert browser.get("/admin/").status_code == 302


def test_the_session_of_a_deleted_agent_ends(browser: Client, odile: Agent) -> None:
    odile.leave()
    browser.get("/admin/")
    assert "_auth_user_id" not in browser.session


def test_a_staff_agent_without_rights_sees_nothing(db: None) -> None:
    client = browser_of(AgentFactory(is_staff=True))
    index = client.get("/admin/")
    assert index.status_code == 200
    assert index.context["app_list"] == []
    assert [client.get(reverse(f"admin:{name}_changelist")).status_code for name in LISTS] == [403] * len(LISTS)


def test_a_refusal_is_a_page_for_people(db: None) -> None:
    response = browser_of(AgentFactory(is_staff=True)).get(reverse("admin:agents_agent_changelist"))
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Accès refusé" in response.content.decode()


def test_an_unknown_page_says_so_in_html(browser: Client) -> None:
    response = browser.get("/admin/nulle/part/")
    assert response.status_code == 404
    assert "Page introuvable" in response.content.decode()


def test_a_form_that_is_out_of_date_says_that_nothing_was_saved(odile: Agent) -> None:
    client = Client(enforce_csrf_checks=True)
    response = sign_in("odile@exemple.test", client=client)
    assert response.status_code == 403
    assert "Rien n&#x27;a été enregistré" in response.content.decode() or "Rien n'a été" in response.content.decode()


def test_admin_without_its_slash_leads_there(db: None) -> None:
    assert Client().get("/admin").url == "/admin/"


# Every page.


@pytest.fixture
def pages(cast: SimpleNamespace) -> list[str]:
    token, _secret = ClientToken.objects.issue(cast.bruno)
    absence = AbsenceFactory(agent=cast.bruno)
    rows = (cast.bruno, token, cast.mds, cast.pmi, cast.paris, absence)
    addresses = [reverse(f"admin:{name}_changelist") for name in LISTS]
    addresses += [reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=(row.pk,)) for row in rows]
    addresses += [
        reverse(f"admin:{name}_{verb}", args=args)
        for name, row in (
            ("agents_agent", cast.bruno),
            ("agents_organisation", cast.mds),
            ("absences_absence", absence),
        )
        for verb, args in (("add", ()), ("delete", (row.pk,)), ("history", (row.pk,)))
    ]
    addresses += [
        "/admin/",
        "/admin/agents/",
        "/admin/login/",
        "/admin/password_change/",
        reverse("admin:auth_user_password_change", args=(cast.bruno.pk,)),
    ]
    return addresses


def test_every_page_opens(browser: Client, pages: list[str]) -> None:
    statuses = {address: browser.get(address).status_code for address in pages if address != "/admin/login/"}
    assert {address: status for address, status in statuses.items() if status != 200} == {}


def test_every_page_keeps_the_strict_content_security_policy(browser: Client, pages: list[str]) -> None:
    policies = {browser.get(address)["Content-Security-Policy"] for address in pages}
    assert len(policies) == 1
    policy = policies.pop()
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_no_page_has_scripts_or_styles_that_the_policy_would_stop(browser: Client, pages: list[str]) -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|href=.javascript:|src=.(https?:)?//")
    found = {address: inline.findall(browser.get(address).content.decode()) for address in pages}
    assert {address: what for address, what in found.items() if what} == {}


def test_pages_are_french_unless_english_is_asked_for(browser: Client) -> None:
    assert "Déconnexion" in browser.get("/admin/").content.decode()
    assert "Log out" in browser.get("/admin/", headers={"Accept-Language": "en"}).content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_found_empty_without_harm(browser: Client, name: str) -> None:
    response = browser.get(reverse(f"admin:{name}_changelist"), {"q": "introuvable"})
    assert response.status_code == 200
    assert response.context["cl"].result_count == 0


def test_groups_are_not_offered(browser: Client) -> None:
    Group.objects.create(name="Groupe")
    assert browser.get("/admin/auth/group/").status_code == 404


# Secrets.


def test_no_page_shows_a_secret(browser: Client, cast: SimpleNamespace, pages: list[str]) -> None:
    cast.bruno.password = "argon2$canari-du-hachage"
    cast.bruno.save()
    token, secret = ClientToken.objects.issue(cast.bruno)
    ClientToken.objects.filter(pk=token.pk).update(
        digest="canari-du-condensat", previous_digest="canari-precedent", last_digest="canari-dernier"
    )
    AccessAttempt.objects.create(
        username="x", ip_address="127.0.0.1", failures_since_start=1, post_data="canari-tape", get_data="canari-lu"
    )
    shown = [*pages, reverse("admin:agents_clienttoken_change", args=(token.pk,))]
    shown += [reverse("admin:axes_accessattempt_change", args=(AccessAttempt.objects.get().pk,))]
    text = " ".join(browser.get(address).content.decode() for address in shown)
    assert "canari" not in text
    assert secret not in text
    assert token.client not in text
    assert token.client[:6] in text


# Agents: the list.


def names(response: Any) -> set[str]:
    return {agent.email for agent in response.context["cl"].result_list}


def search(browser: Client, **query: Any) -> set[str]:
    return names(browser.get(reverse("admin:agents_agent_changelist"), query))


@pytest.mark.parametrize("typed", ["leveque", "LÉVÊQUE", "lévêque Élo", "elodie leveque", "e.leveque@", "E.LEVEQUE"])
def test_an_agent_is_found_by_name_or_email_accents_and_case_aside(browser: Client, typed: str) -> None:
    AgentFactory(first_name="Élodie", last_name="LÉVÊQUE", email="e.leveque@exemple.test")
    AgentFactory(first_name="Eloi", last_name="MARTIN", email="eloi@exemple.test")
    assert search(browser, q=typed) == {"e.leveque@exemple.test"}


def test_what_is_searched_for_is_no_pattern(browser: Client, odile: Agent) -> None:
    assert search(browser, q="odile@exemple.t.st") == set()
    assert search(browser, q="[") == set()


def test_deleted_agents_are_hidden_behind_a_filter(browser: Client, cast: SimpleNamespace) -> None:
    cast.etienne.leave()
    assert cast.etienne.email not in search(browser)
    assert search(browser, presence="deleted") == {cast.etienne.email}


def test_deactivated_agents_have_their_filter(browser: Client, cast: SimpleNamespace) -> None:
    Agent.objects.filter(pk=cast.bruno.pk).update(is_active=False)
    assert search(browser, presence="inactive") == {cast.bruno.email}


def test_agents_are_filtered_by_organisation(browser: Client, cast: SimpleNamespace) -> None:
    assert search(browser, organisation=cast.lille.pk) == {cast.etienne.email}


@pytest.mark.parametrize("unknown", ["999999", "x", ""])
def test_an_unknown_organisation_has_no_agents(browser: Client, cast: SimpleNamespace, unknown: str) -> None:
    assert search(browser, organisation=unknown) == set()


@pytest.mark.parametrize("typed", ["999-", "\x00", "9" * 40, "9" * 5000, "é", " "])
def test_a_choice_that_is_no_row_is_told_beside_its_field(browser: Client, cast: SimpleNamespace, typed: str) -> None:
    read = 400 if "\x00" in typed else 200  # of an address
    for page, field in (
        ("agents/organisation", "territory"),
        ("absences/absence", "agent"),
        ("agents/agent", "services"),
    ):
        answer = browser.post(f"/admin/{page}/add/", {field: typed})
        assert answer.status_code == 200
        assert field in answer.context["adminform"].form.errors or field == "services"
        assert browser.get(f"/admin/{page}/add/", {field: typed}).status_code == read
    assert browser.get("/admin/absences/absence/", {"agent": typed}).status_code == read


def test_agents_are_filtered_by_access_level(browser: Client, cast: SimpleNamespace) -> None:
    assert search(browser, roles__access_level__exact="admin") == {cast.martine.email}


def test_agents_are_filtered_by_service(browser: Client, cast: SimpleNamespace) -> None:
    assert search(browser, services__id__exact=cast.secretariat.pk) == {cast.sophie.email}


def test_territorial_admins_are_reached_from_their_territory(browser: Client, cast: SimpleNamespace) -> None:
    assert search(browser, territorial=cast.paris.pk) == {cast.thierry.email}


def test_a_deleted_agent_is_not_suggested_for_an_absence(browser: Client, cast: SimpleNamespace) -> None:
    query = {"app_label": "absences", "model_name": "absence", "field_name": "agent", "term": "exemple"}
    cast.etienne.leave()
    suggested = browser.get("/admin/autocomplete/", query).json()["results"]
    assert str(cast.etienne.pk) not in {row["id"] for row in suggested}
    assert str(cast.bruno.pk) in {row["id"] for row in suggested}


def test_homonyms_are_told_apart_where_one_is_chosen(browser: Client, cast: SimpleNamespace) -> None:
    query = {"app_label": "agents", "model_name": "agentrole", "field_name": "organisation", "term": "tilleuls"}
    (suggested,) = browser.get("/admin/autocomplete/", query).json()["results"]
    assert suggested["text"] == "MDS Les Tilleuls — Paris (75)"


# Agents: the page.


def test_an_agent_is_created_with_services_and_roles_on_one_page(browser: Client, cast: SimpleNamespace) -> None:
    role = AgentRole(organisation=cast.mds, access_level=AccessLevel.BASIC)
    data = form_of(Agent(first_name="Zoé", last_name="NEUVE", email="Zoe@Exemple.test"), role, services=[cast.pmi.pk])
    response = browser.post(reverse("admin:agents_agent_add"), data | {"password1": PASSWORD, "password2": PASSWORD})
    assert response.url == reverse("admin:agents_agent_changelist")
    agent = Agent.objects.get(email="zoe@exemple.test")
    assert agent.check_password(PASSWORD)
    assert [*agent.services.all()] == [cast.pmi]
    assert agent.roles.get().organisation == cast.mds


def new(browser: Client, **fields: Any) -> Any:
    data = form_of(Agent(), services=[], **fields)
    return browser.post(reverse("admin:agents_agent_add"), data)


def test_an_agent_without_password_cannot_sign_in_with_one(browser: Client) -> None:
    new(browser, email="sans@exemple.test", password1="", password2="")
    agent = Agent.objects.get(email="sans@exemple.test")
    assert not agent.has_usable_password()
    assert not agent.check_password("")


def test_an_intervenant_may_have_no_email(browser: Client, cast: SimpleNamespace) -> None:
    data = form_of(
        Agent(last_name="PASSAGE"), AgentRole(organisation=cast.mds, access_level=AccessLevel.INTERVENANT), services=[]
    )
    browser.post(reverse("admin:agents_agent_add"), data | {"password1": "", "password2": ""})
    assert Agent.objects.get(last_name="PASSAGE").email is None


def test_two_agents_may_both_have_no_email(browser: Client) -> None:
    for name in ("UN", "DEUX"):
        new(browser, last_name=name, password1="", password2="")
    assert Agent.objects.filter(email=None).count() == 2


def test_an_email_is_taken_whatever_its_case(browser: Client, cast: SimpleNamespace) -> None:
    response = new(browser, email="Bruno@Exemple.test", password1="", password2="")
    assert "est déjà utilisé" in refusals(response)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Court 1 !", "12 caractères"),
        ("Sans chiffre du tout !", "un chiffre"),
        ("sans majuscule 2026 !", "une majuscule"),
        ("SansSpecial2026", "caractère spécial"),
        ("Motdepasse2026!", "fréquemment utilisés"),
    ],
)
def test_a_password_chosen_here_follows_the_rules_of_the_house(browser: Client, password: str, reason: str) -> None:
    response = new(browser, email="neuf@exemple.test", password1=password, password2=password)
    assert reason in refusals(response)
    assert not Agent.objects.filter(email="neuf@exemple.test").exists()


@pytest.mark.parametrize(("first", "second"), [(PASSWORD, ""), ("", PASSWORD), (PASSWORD, PASSWORD + "x")])
def test_a_password_typed_once_or_otherwise_is_refused(browser: Client, first: str, second: str) -> None:
    refusals(new(browser, email="neuf@exemple.test", password1=first, password2=second))
    assert not Agent.objects.filter(email="neuf@exemple.test").exists()


def test_a_password_is_changed_by_the_link_on_the_page(browser: Client, cast: SimpleNamespace) -> None:
    address = reverse("admin:auth_user_password_change", args=(cast.bruno.pk,))
    assert address in browser.get(page(cast.bruno)).content.decode()
    fresh = "Un autre, de 2026 !"
    browser.post(address, {"password1": fresh, "password2": fresh, "usable_password": "true", "set-password": "x"})
    cast.bruno.refresh_from_db()
    assert cast.bruno.check_password(fresh)


def test_a_changed_password_ends_the_tokens(browser: Client, cast: SimpleNamespace) -> None:
    ClientToken.objects.issue(cast.bruno)
    fresh = {"password1": "Un autre, de 2026 !", "password2": "Un autre, de 2026 !", "usable_password": "true"}
    browser.post(reverse("admin:auth_user_password_change", args=(cast.bruno.pk,)), fresh)
    assert not ClientToken.objects.live().exists()


def test_ones_own_changed_password_ends_ones_tokens(browser: Client, odile: Agent) -> None:
    ClientToken.objects.issue(odile)
    fresh = {"old_password": PASSWORD, "new_password1": "Un autre, de 2026 !", "new_password2": "Un autre, de 2026 !"}
    assert browser.post("/admin/password_change/", fresh).status_code == 302
    assert not ClientToken.objects.live().exists()
    assert browser.get("/admin/").status_code == 200


def test_a_password_can_be_taken_away(browser: Client, cast: SimpleNamespace) -> None:
    address = reverse("admin:auth_user_password_change", args=(cast.bruno.pk,))
    browser.post(address, {"usable_password": "false", "unset-password": "x"})
    cast.bruno.refresh_from_db()
    assert not cast.bruno.has_usable_password()


def test_roles_are_given_on_the_page_of_the_agent(browser: Client, cast: SimpleNamespace) -> None:
    role = AgentRole(organisation=cast.lille, access_level=AccessLevel.ADMIN)
    browser.post(page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), role))
    assert set(cast.bruno.roles.values_list("organisation", "access_level")) == {
        (cast.mds.pk, "basic"),
        (cast.lille.pk, "admin"),
    }


def test_one_role_per_organisation(browser: Client, cast: SimpleNamespace) -> None:
    twice = AgentRole(organisation=cast.mds, access_level=AccessLevel.BASIC)
    refusals(browser.post(page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), twice)))
    assert cast.bruno.roles.count() == 1


def test_a_territorial_role_is_given_on_the_page_of_the_agent(browser: Client, cast: SimpleNamespace) -> None:
    given = {
        "territorial_roles-TOTAL_FORMS": 1,
        "territorial_roles-0-id": "",
        "territorial_roles-0-agent": cast.bruno.pk,
        "territorial_roles-0-territory": cast.nord.pk,
    }
    browser.post(page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), **given))
    assert [*cast.bruno.territories.all()] == [cast.nord]


def test_opening_the_administration_needs_an_email(browser: Client, cast: SimpleNamespace) -> None:
    response = browser.post(page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), email="", is_staff="on"))
    assert "pour accéder à l" in refusals(response)


def test_the_page_of_a_deleted_agent_can_only_be_read(browser: Client, cast: SimpleNamespace) -> None:
    cast.bruno.leave()
    assert browser.get(page(cast.bruno)).context["has_change_permission"] is False
    assert browser.post(page(cast.bruno), form_of(cast.bruno)).status_code == 403


# The last admin of an organisation.

LAST = "nommez-en d&#x27;abord un autre dans MDS Les Tilleuls"


def test_the_last_admin_of_an_organisation_is_not_demoted(browser: Client, cast: SimpleNamespace) -> None:
    role = cast.martine.roles.get()
    role.access_level = AccessLevel.BASIC
    response = browser.post(page(cast.martine), form_of(cast.martine, role))
    assert LAST in refusals(response)
    assert LAST in response.content.decode()
    assert cast.martine.roles.get().access_level == AccessLevel.ADMIN


def test_the_last_admin_of_an_organisation_does_not_move_to_another(browser: Client, cast: SimpleNamespace) -> None:
    role = cast.martine.roles.get()
    role.organisation = cast.lille
    assert LAST in refusals(browser.post(page(cast.martine), form_of(cast.martine, role)))


def test_the_role_of_the_last_admin_is_not_removed(browser: Client, cast: SimpleNamespace) -> None:
    sent = form_of(cast.martine, cast.martine.roles.get()) | {"roles-0-DELETE": "on"}
    response = browser.post(page(cast.martine), sent)
    assert LAST in response.content.decode()
    assert cast.martine.roles.exists()


def test_the_last_admin_is_not_deleted_and_the_page_says_why(browser: Client, cast: SimpleNamespace) -> None:
    address = reverse("admin:agents_agent_delete", args=(cast.martine.pk,))
    assert LAST in browser.get(address).content.decode()
    browser.post(address, {"post": "yes"})
    assert Agent.objects.get(pk=cast.martine.pk).deleted_at is None


def test_all_the_admins_of_an_organisation_are_not_deleted_together(browser: Client, cast: SimpleNamespace) -> None:
    other = AgentFactory(admin_of=[cast.mds])
    response = act(browser, "delete_selected", cast.martine, other, cast.bruno, post="yes")
    assert LAST in response.content.decode()
    assert not Agent.objects.exclude(deleted_at=None).exists()


def test_an_admin_who_is_not_the_last_may_be_demoted_or_deleted(browser: Client, cast: SimpleNamespace) -> None:
    role = AgentFactory(admin_of=[cast.mds]).roles.get()
    role.access_level = AccessLevel.BASIC
    browser.post(page(role.agent), form_of(role.agent, role))
    assert AgentRole.objects.get(pk=role.pk).access_level == AccessLevel.BASIC
    AgentFactory(admin_of=[cast.mds])
    browser.post(reverse("admin:agents_agent_delete", args=(cast.martine.pk,)), {"post": "yes"})
    assert Agent.objects.get(pk=cast.martine.pk).deleted_at is not None


def test_a_role_refuses_to_take_the_last_admin_away_whoever_asks(cast: SimpleNamespace) -> None:
    assert [*AgentRole.objects.all().last_admins()] == [cast.martine.roles.get()]
    AgentFactory(admin_of=[cast.mds])
    assert not cast.martine.roles.all().last_admins().exists()


def test_the_last_admin_may_still_be_deactivated(browser: Client, cast: SimpleNamespace) -> None:
    act(browser, "deactivate", cast.martine)
    assert not Agent.objects.get(pk=cast.martine.pk).is_active


# Leaving, deactivating.


def test_deleting_an_agent_is_soft(browser: Client, cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno)
    ClientToken.objects.issue(cast.bruno)
    browser.post(reverse("admin:agents_agent_delete", args=(cast.bruno.pk,)), {"post": "yes"})
    gone = Agent.objects.get(pk=cast.bruno.pk)
    assert gone.email == f"agent_{gone.pk}@deleted.rdv-solidarites.fr"
    assert gone.email_original == "bruno@exemple.test"
    left = (gone.absences, gone.tokens, gone.roles, gone.services)
    assert [what.count() for what in left] == [0, 0, 0, 0]


def test_agents_are_deleted_softly_by_the_action_too(browser: Client, cast: SimpleNamespace) -> None:
    asked = act(browser, "delete_selected", cast.bruno, cast.chloe)
    assert "Cela ne s&#x27;annule pas" in asked.content.decode() or "Cela ne s'annule pas" in asked.content.decode()
    act(browser, "delete_selected", cast.bruno, cast.chloe, post="yes")
    assert Agent.objects.exclude(deleted_at=None).count() == 2


def test_administrators_do_not_delete_themselves(browser: Client, odile: Agent) -> None:
    assert browser.post(reverse("admin:agents_agent_delete", args=(odile.pk,)), {"post": "yes"}).status_code == 403
    act(browser, "delete_selected", odile, post="yes")
    assert Agent.objects.get(pk=odile.pk).deleted_at is None


def test_agents_are_deactivated_and_reactivated_by_actions(browser: Client, cast: SimpleNamespace) -> None:
    act(browser, "deactivate", cast.bruno, cast.chloe)
    assert set(Agent.objects.filter(is_active=False)) == {cast.bruno, cast.chloe}
    act(browser, "reactivate", cast.bruno)
    assert set(Agent.objects.filter(is_active=False)) == {cast.chloe}


@pytest.mark.parametrize("action", ["deactivate", "reactivate", "revoke_tokens", "delete_selected"])
def test_an_action_may_be_taken_on_a_list_filtered_by_what_hangs_on_agents(
    browser: Client, cast: SimpleNamespace, action: str
) -> None:
    where = f"{reverse('admin:agents_agent_changelist')}?user_permissions=12&groups=1"
    answer = browser.post(where, {"action": action, "_selected_action": [cast.bruno.pk]}, follow=True)
    assert answer.status_code == 200


def test_an_action_is_written_in_the_history_of_each_agent(browser: Client, cast: SimpleNamespace) -> None:
    act(browser, "deactivate", cast.bruno, cast.chloe)
    assert LogEntry.objects.filter(object_id__in=(cast.bruno.pk, cast.chloe.pk)).count() == 2


def test_administrators_do_not_deactivate_themselves(browser: Client, odile: Agent) -> None:
    act(browser, "deactivate", odile)
    assert Agent.objects.get(pk=odile.pk).is_active


def test_all_tokens_of_an_agent_are_revoked_by_an_action(browser: Client, cast: SimpleNamespace) -> None:
    for agent in (cast.bruno, cast.bruno, cast.chloe):
        ClientToken.objects.issue(agent)
    response = act(browser, "revoke_tokens", cast.bruno)
    assert "2 jetons révoqués." in response.content.decode()
    assert [token.agent for token in ClientToken.objects.live()] == [cast.chloe]


# Who may do what.


def test_only_a_superuser_makes_administrators(helper: Client, cast: SimpleNamespace) -> None:
    sent = form_of(cast.bruno, cast.bruno.roles.get(), is_staff="on", is_superuser="on", user_permissions=[1])
    assert helper.post(page(cast.bruno), sent).status_code == 302
    bruno = Agent.objects.get(pk=cast.bruno.pk)
    assert (bruno.is_staff, bruno.is_superuser, bruno.user_permissions.count()) == (False, False, 0)


def test_nobody_saves_over_what_somebody_else_saved_since(browser: Client, cast: SimpleNamespace) -> None:
    opened = browser.get(page(cast.bruno)).content.decode()
    seen = form_of(cast.bruno, cast.bruno.roles.get())["seen_change"]
    assert f'<input type="hidden" name="seen_change" value="{html.escape(seen)}"' in opened
    AgentRole.objects.filter(agent=cast.bruno).update(access_level=AccessLevel.INTERVENANT)
    Agent.objects.get(pk=cast.bruno.pk).save()
    for sent in ({"seen_change": seen}, {"seen_change": ""}):
        response = browser.post(page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), first_name="Zoé", **sent))
        assert "Rien n'a été enregistré" in html.unescape(response.content.decode())
    assert cast.bruno.roles.get().access_level == AccessLevel.INTERVENANT
    assert Agent.objects.get(pk=cast.bruno.pk).first_name == cast.bruno.first_name


def test_a_page_that_the_database_undoes_for_another_is_saved_anew_and_told_once(
    browser: Client, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [OperationalError("deadlock detected")]
    left[0].__cause__ = DeadlockDetected()
    monkeypatch.setattr("agents.admin.base.end_rights", lambda: left and raised(left.pop()))
    answer = browser.post(
        page(cast.bruno), form_of(cast.bruno, cast.bruno.roles.get(), first_name="Bruna"), follow=True
    )
    assert Agent.objects.get(pk=cast.bruno.pk).first_name == "Bruna"
    assert [level.level_tag for level in answer.context["messages"]] == ["success"]
    assert not left


def raised(error: Exception) -> None:
    raise error


def test_a_superuser_makes_administrators(browser: Client, cast: SimpleNamespace) -> None:
    right = Permission.objects.get(codename="view_absence")
    sent = form_of(cast.bruno, cast.bruno.roles.get(), is_staff="on", user_permissions=[right.pk])
    browser.post(page(cast.bruno), sent)
    bruno = Agent.objects.get(pk=cast.bruno.pk)
    assert bruno.is_staff
    assert [*bruno.user_permissions.all()] == [right]


def test_nobody_takes_over_an_administrator_by_a_new_password(helper: Client, odile: Agent) -> None:
    address = reverse("admin:auth_user_password_change", args=(odile.pk,))
    fresh = {"password1": "Un autre, de 2026 !", "password2": "Un autre, de 2026 !", "usable_password": "true"}
    assert helper.post(address, fresh).status_code == 403


def test_nobody_takes_over_an_administrator_by_a_new_email(helper: Client, odile: Agent) -> None:
    assert helper.post(page(odile), form_of(odile, email="moi@exemple.test")).status_code == 403


@pytest.mark.parametrize("action", ["deactivate", "delete_selected", "revoke_tokens"])
def test_actions_do_not_touch_administrators_unless_one_is_superuser(helper: Client, odile: Agent, action: str) -> None:
    ClientToken.objects.issue(odile)
    act(helper, action, odile, post="yes")
    odile.refresh_from_db()
    assert odile.usable
    assert odile.tokens.live().exists()


def test_rights_offered_are_those_of_these_pages(browser: Client, cast: SimpleNamespace) -> None:
    form = browser.get(page(cast.bruno)).context["adminform"].form
    labels = [label for _value, label in form.fields["user_permissions"].choices]
    assert "Jetons : révoquer" in labels
    assert not any("Rôles" in label or "Sessions" in label or "Jetons : créer" in label for label in labels)


# Tokens.


def tokens(browser: Client, **query: Any) -> list[int]:
    response = browser.get(reverse("admin:agents_clienttoken_changelist"), query)
    return [token.pk for token in response.context["cl"].result_list]


def test_only_live_tokens_are_listed(browser: Client, cast: SimpleNamespace, now: Any) -> None:
    expired, _secret = ClientToken.objects.issue(cast.bruno)
    now.tick(25 * 60 * 60)
    browser = browser_of(Agent.objects.get(email="odile@exemple.test"))
    revoked, _secret = ClientToken.objects.issue(cast.chloe)
    ClientToken.objects.filter(pk=revoked.pk).revoke()
    live, _secret = ClientToken.objects.issue(cast.bruno)
    assert tokens(browser) == [live.pk]
    assert browser.get(reverse("admin:agents_clienttoken_change", args=(expired.pk,))).status_code == 302


def test_tokens_are_found_by_their_agent(browser: Client, cast: SimpleNamespace) -> None:
    brunos, _secret = ClientToken.objects.issue(cast.bruno)
    ClientToken.objects.issue(cast.chloe)
    assert tokens(browser, q="BRUNO@") == [brunos.pk]
    assert tokens(browser, agent=cast.bruno.pk) == [brunos.pk]


def test_a_token_is_revoked_by_the_action(browser: Client, cast: SimpleNamespace) -> None:
    token, _secret = ClientToken.objects.issue(cast.bruno)
    kept, _secret = ClientToken.objects.issue(cast.chloe)
    act(browser, "revoke", token, where="agents_clienttoken")
    assert [*ClientToken.objects.live()] == [kept]


def test_a_token_is_revoked_on_its_page(browser: Client, cast: SimpleNamespace) -> None:
    token, _secret = ClientToken.objects.issue(cast.bruno)
    address = reverse("admin:agents_clienttoken_change", args=(token.pk,))
    assert 'name="_revoke"' in browser.get(address).content.decode()
    assert browser.post(address, {"_revoke": "x"}).url == reverse("admin:agents_clienttoken_changelist")
    assert not ClientToken.objects.live().exists()


def test_a_revoked_token_no_longer_opens_the_api(browser: Client, cast: SimpleNamespace, sign_in: Any) -> None:
    client = sign_in(cast.bruno)
    assert client.get("/api/v1/absences").status_code == 200
    act(browser, "revoke", ClientToken.objects.get(), where="agents_clienttoken")
    assert client.get("/api/v1/absences").status_code == 401


def test_tokens_are_neither_made_nor_edited_here(browser: Client, cast: SimpleNamespace) -> None:
    token, _secret = ClientToken.objects.issue(cast.bruno)
    assert browser.get("/admin/agents/clienttoken/add/").status_code == 403
    assert (
        not browser.get(reverse("admin:agents_clienttoken_change", args=(token.pk,))).context["adminform"].form.fields
    )


def test_who_may_only_look_at_tokens_does_not_revoke_them(cast: SimpleNamespace) -> None:
    agent = AgentFactory(is_staff=True)
    agent.user_permissions.add(Permission.objects.get(codename="view_clienttoken"))
    token, _secret = ClientToken.objects.issue(cast.bruno)
    client = browser_of(agent)
    address = reverse("admin:agents_clienttoken_change", args=(token.pk,))
    assert 'name="_revoke"' not in client.get(address).content.decode()
    assert client.post(address, {"_revoke": "x"}).status_code == 403
    act(client, "revoke", token, where="agents_clienttoken")
    assert ClientToken.objects.live().exists()


# Failed sign-ins.


def test_forgetting_failed_sign_ins_lets_an_agent_in_again(browser: Client, odile: Agent, settings: Any) -> None:
    for _number in range(settings.AXES_FAILURE_LIMIT):
        sign_in("odile@exemple.test", "faux")
    attempts = AccessAttempt.objects.all()
    assert sign_in("odile@exemple.test").status_code == 429
    listed = browser.get(reverse("admin:axes_accessattempt_changelist")).content.decode()
    assert '<td class="field-locked_out">oui</td>' in listed
    act(browser, "forget", *attempts, where="axes_accessattempt")
    assert sign_in("odile@exemple.test").status_code == 302


def test_failed_sign_ins_are_not_edited(browser: Client) -> None:
    attempt = AccessAttempt.objects.create(username="x", ip_address="127.0.0.1", failures_since_start=1)
    address = reverse("admin:axes_accessattempt_change", args=(attempt.pk,))
    assert browser.get(address).status_code == 200
    assert browser.post(address, {}).status_code == 403


# Territories, organisations, services.


def test_an_organisation_with_agents_is_not_deleted(browser: Client, cast: SimpleNamespace) -> None:
    address = reverse("admin:agents_organisation_delete", args=(cast.mds.pk,))
    assert "4 agents y travaillent" in browser.get(address).content.decode()
    browser.post(address, {"post": "yes"})
    act(browser, "delete_selected", cast.mds, where="agents_organisation", post="yes")
    assert Organisation.objects.filter(pk=cast.mds.pk).exists()


def test_an_empty_organisation_is_deleted(browser: Client) -> None:
    empty = OrganisationFactory()
    browser.post(reverse("admin:agents_organisation_delete", args=(empty.pk,)), {"post": "yes"})
    assert not Organisation.objects.filter(pk=empty.pk).exists()


def test_a_service_with_agents_is_not_deleted(browser: Client, cast: SimpleNamespace) -> None:
    browser.post(reverse("admin:agents_service_delete", args=(cast.pmi.pk,)), {"post": "yes"})
    assert Service.objects.filter(pk=cast.pmi.pk).exists()


def test_a_territory_with_organisations_is_not_deleted(browser: Client, cast: SimpleNamespace) -> None:
    browser.post(reverse("admin:agents_territory_delete", args=(cast.paris.pk,)), {"post": "yes"})
    assert Territory.objects.filter(pk=cast.paris.pk).exists()


def test_a_name_that_is_taken_is_told_beside_its_field(browser: Client, cast: SimpleNamespace) -> None:
    response = browser.post(reverse("admin:agents_service_add"), {"name": "Autre", "short_name": "pmi"})
    assert response.context["adminform"].form.errors == {"short_name": ["est déjà utilisé"]}
    sent = {"name": "MDS Lille", "territory": cast.nord.pk, "verticale": "rdv_solidarites"}
    response = browser.post(reverse("admin:agents_organisation_add"), sent)
    assert response.context["adminform"].form.errors == {"name": ["est déjà utilisé"]}


def test_organisations_without_admin_have_their_filter(browser: Client, cast: SimpleNamespace) -> None:
    response = browser.get(reverse("admin:agents_organisation_changelist"), {"admin": "none"})
    assert [*response.context["cl"].result_list] == [cast.lille]


def test_an_organisation_is_found_without_its_accents(browser: Client) -> None:
    found = OrganisationFactory(name="Maison d'Évreux")
    response = browser.get(reverse("admin:agents_organisation_changelist"), {"q": "EVREUX"})
    assert [*response.context["cl"].result_list] == [found]


def test_the_organisations_of_a_territory_are_one_click_away(browser: Client, cast: SimpleNamespace) -> None:
    response = browser.get(reverse("admin:agents_organisation_changelist"), {"territory": cast.nord.pk})
    assert [*response.context["cl"].result_list] == [cast.lille]


# Quick.


def queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_costs_the_same_queries_however_long(browser: Client, cast: SimpleNamespace, name: str) -> None:
    def more(count: int) -> None:
        for number in range(count):
            organisation, service = OrganisationFactory(), ServiceFactory()
            agent = AgentFactory(services=[service], basic_in=[organisation, cast.mds])
            ClientToken.objects.issue(agent)
            AbsenceFactory(agent=agent, organisation=organisation)
            AccessAttempt.objects.create(
                username=f"{count}-{number}", ip_address="127.0.0.1", failures_since_start=1, user_agent="x"
            )

    address = reverse(f"admin:{name}_changelist")
    more(1)
    browser.get(address)
    before = queries(browser, address)
    more(5)
    assert queries(browser, address) == before


def test_a_list_is_counted_once(browser: Client, cast: SimpleNamespace) -> None:
    with CaptureQueriesContext(connection) as captured:
        browser.get(reverse("admin:agents_agent_changelist"), {"q": "bruno"})
    counts = [query["sql"] for query in captured if 'COUNT(*) AS "__count" FROM "agents_agent"' in query["sql"]]
    assert len(counts) == 1


def test_no_page_offers_a_choice_of_every_agent_or_organisation(browser: Client, cast: SimpleNamespace) -> None:
    OrganisationFactory(name="Organisation canari")
    AgentFactory(first_name="Canari", last_name="AGENT")
    absence = AbsenceFactory(agent=cast.bruno)
    shown = (
        browser.get(page(cast.bruno)).content
        + browser.get(reverse("admin:absences_absence_change", args=(absence.pk,))).content
    )
    for name in ("agents_agent", "absences_absence"):
        shown += browser.get(reverse(f"admin:{name}_add")).content
    shown += browser.get(reverse("admin:absences_absence_changelist")).content
    assert "canari" not in shown.decode().lower()


@pytest.mark.parametrize("key", ["9" * 5000, "1-2", "x", "-1", "٣" * 30])
def test_what_can_be_no_rows_key_is_no_row(browser: Client, key: str) -> None:
    assert browser.post(f"/admin/agents/agent/{key}/change/", {"first_name": "X"}, follow=True).status_code == 200
    chosen = {"action": "revoke_tokens", "_selected_action": key}
    answer = browser.post(reverse("admin:agents_agent_changelist"), chosen, follow=True)
    assert [message.level_tag for message in answer.context["messages"]] == ["warning"]


def test_an_empty_name_of_a_key_is_no_name(browser: Client, cast: SimpleNamespace) -> None:
    sent = form_of(cast.bruno, cast.bruno.roles.get(), first_name="Bruna", _to_field="")
    assert browser.post(page(cast.bruno), sent).status_code == 302
    assert Agent.objects.get(pk=cast.bruno.pk).first_name == "Bruna"


@pytest.mark.parametrize("query", ["email=%00", "q=a%00b", "%00=1"])
def test_a_nul_character_in_an_address_is_refused(browser: Client, query: str) -> None:
    answer = browser.get(f"{reverse('admin:agents_organisation_changelist')}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error_messages"] == ["Un paramètre contient un caractère nul."]
