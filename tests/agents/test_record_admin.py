"""The record on the administration pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent, RecordEntry
from tests.factories import AbsenceFactory, AgentFactory

LIST = "/admin/agents/recordentry/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


def browser_of(agent: Agent) -> Client:
    client = Client(headers={"Accept-Language": "fr"})
    client.force_login(agent, backend="agents.backends.PasswordBackend")
    return client


@pytest.fixture
def browser(cast: SimpleNamespace) -> Client:
    return browser_of(AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True))


@pytest.fixture
def change(cast: SimpleNamespace, sign_in: Any) -> RecordEntry:
    absence = AbsenceFactory(agent=cast.bruno)
    sign_in(cast.martine).patch(f"/api/v1/absences/{absence.pk}?reason=Erreur de saisie", {"title": "<b>RTT</b>"})
    return RecordEntry.objects.get(resource="absence", action="updated")


def address(entry: RecordEntry) -> str:
    return reverse("admin:agents_recordentry_change", args=(entry.pk,))


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_entry_shows_what_was_there_before_and_after(browser: Client, change: RecordEntry) -> None:
    shown = text(browser.get(address(change)))
    assert '<tr><th scope="row">title</th><td>Congés</td><td>&lt;b&gt;RTT&lt;/b&gt;</td></tr>' in shown
    assert "Erreur de saisie" in shown
    assert "Martine VALIDAY" in shown
    assert change.request_id in shown
    assert 'name="_save"' not in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "Erreur"}, True), ({"q": "martine"}, True), ({"q": "rtt"}, True), ({"q": "nulle part"}, False),
        ({"action__exact": "updated"}, True), ({"action__exact": "deleted"}, False),
        ({"resource": "absence"}, True), ({"resource": "agent"}, False),
        ({"actor_kind__exact": "agent"}, True), ({"actor_kind__exact": "system"}, False),
        ({"period": "1"}, True), ({"period": "abc"}, True), ({"agent": "bruno"}, True), ({"agent": "martine"}, True),
        ({"agent": "chloe"}, False), ({"agent": "0"}, False), ({"organisation": "mds"}, False),
    ],
)  # fmt: skip
def test_the_list_is_searched_and_filtered(
    cast: SimpleNamespace, browser: Client, change: RecordEntry, query: dict[str, str], found: bool
) -> None:
    chosen = {
        name: getattr(getattr(cast, value, None), "pk", value) if name in ("agent", "organisation") else value
        for name, value in query.items()
    }
    assert (address(change) in text(browser.get(LIST, chosen))) is found


def test_nothing_is_changed_there(browser: Client, change: RecordEntry) -> None:
    before = list(RecordEntry.objects.values())
    assert browser.post(address(change), {"reason": "autre"}).status_code == 403
    assert browser.post(f"{LIST}{change.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get(f"{LIST}add/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [change.pk], "post": "yes"}
    browser.post(LIST, chosen)
    assert list(RecordEntry.objects.exclude(action="refused").values()) == before


def test_it_is_read_with_the_right_to(change: RecordEntry) -> None:
    helper = AgentFactory(email="renfort@exemple.test", is_staff=True)
    assert browser_of(helper).get(LIST).status_code == 403
    helper.user_permissions.add(Permission.objects.get(codename="view_recordentry"))
    assert browser_of(helper).get(LIST).status_code == 200


def test_an_agents_page_leads_to_their_record(cast: SimpleNamespace, browser: Client) -> None:
    page = text(browser.get(reverse("admin:agents_agent_change", args=(cast.bruno.pk,))))
    assert f"{LIST}?agent={cast.bruno.pk}" in page


def test_the_list_costs_the_same_with_many_entries(cast: SimpleNamespace, browser: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(browser.get(LIST))
        return len(queries)

    cost()
    before = cost()
    for number in range(40):
        cast.mds.name = f"MDS {number}"
        cast.mds.save()
    assert cost() == before


def test_forgetting_failed_sign_ins_is_told_and_what_was_typed_is_not(browser: Client, cast: SimpleNamespace) -> None:
    for typed in (cast.bruno.email, "MotDePasse2026!"):
        AccessAttempt.objects.create(username=typed, ip_address="127.0.0.1", failures_since_start=1)
    chosen = [attempt.pk for attempt in AccessAttempt.objects.order_by("pk")]
    browser.post("/admin/axes/accessattempt/", {"action": "forget", "_selected_action": chosen})
    entries = RecordEntry.objects.filter(resource="failed_sign_in").order_by("object_id")
    assert [(entry.action, entry.object_id, entry.agent_id) for entry in entries] == [
        ("deleted", chosen[0], cast.bruno.pk),
        ("deleted", chosen[1], None),
    ]
    assert not RecordEntry.objects.filter(object_name__icontains="motdepasse").exists()
