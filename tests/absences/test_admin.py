"""The administration pages of absences."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from absences.models import Absence
from tests.factories import AbsenceFactory, AgentFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/absences/absence/"


@pytest.fixture
def browser(db: None) -> Client:
    client = Client()
    administrator = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    client.force_login(administrator, backend="agents.backends.PasswordBackend")
    return client


def listed(browser: Client, **query: Any) -> set[Absence]:
    response = browser.get(LIST, query)
    assert response.status_code == 200
    return {*response.context["cl"].result_list}


def fields(agent: Any, **changes: Any) -> dict[str, Any]:
    return {
        "agent": agent.pk,
        "title": "Congés",
        "organisation": "",
        "first_day": "01/12/2026",
        "start_time": "09:00",
        "end_day": "",
        "end_time": "17:00",
    } | changes


def change(client: Client, absence: Absence, sent: dict[str, Any]) -> Any:
    """What the page of `absence` answers to `sent`."""
    seen = Absence.objects.get(pk=absence.pk).updated_at.isoformat()
    return client.post(reverse("admin:absences_absence_change", args=(absence.pk,)), sent | {"seen_change": seen})


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return {name: [*failures] for name, failures in response.context["adminform"].form.errors.items()}


def add(browser: Client, agent: Any, **changes: Any) -> Any:
    return browser.post(reverse("admin:absences_absence_add"), fields(agent, **changes))


@pytest.mark.usefixtures("now")
def test_an_absence_is_filed_and_ends_on_its_first_day_unless_told(browser: Client, cast: SimpleNamespace) -> None:
    assert add(browser, cast.bruno).url == LIST
    absence = Absence.objects.get()
    assert absence.end_day == absence.first_day == datetime.date(2026, 12, 1)
    assert absence.folded_title == "conges"


def test_a_change_makes_the_version_grow(browser: Client, cast: SimpleNamespace) -> None:
    absence = AbsenceFactory(agent=cast.bruno)
    sent = fields(cast.bruno, end_day="02/12/2026")
    change(browser, absence, sent)
    absence.refresh_from_db()
    assert (absence.version, absence.end_day) == (2, datetime.date(2026, 12, 2))


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"end_time": "08:00"}, {"end_time": ["doit être après le début."]}),
        ({"end_time": "09:00"}, {"end_time": ["doit être après le début."]}),
        ({"first_day": "01/01/2017", "end_day": "01/12/2026"}, {"first_day": ["ne peut pas être avant 2018"]}),
        ({"end_day": "17/11/2031"}, {"end_day": ["ne peut pas être dans plus de 5 ans"]}),
        ({"title": "  "}, {"title": ["Ce champ est obligatoire."]}),
        ({"start_time": "8h"}, {"start_time": ["Saisissez une heure valide."]}),
    ],
)
def test_what_the_rules_refuse_is_told_beside_the_field(
    browser: Client, cast: SimpleNamespace, changes: dict[str, str], expected: dict[str, list[str]]
) -> None:
    assert errors(add(browser, cast.bruno, **changes)) == expected
    assert not Absence.objects.exists()


def test_an_absence_is_kept_for_an_organisation_of_its_agent(browser: Client, cast: SimpleNamespace) -> None:
    add(browser, cast.bruno, organisation=cast.mds.pk)
    assert Absence.objects.get().organisation == cast.mds


def test_an_absence_is_not_kept_for_another_organisation(browser: Client, cast: SimpleNamespace) -> None:
    response = add(browser, cast.bruno, organisation=cast.lille.pk)
    assert errors(response) == {"organisation": ["n'est pas une organisation de l'agent"]}


def test_an_absence_given_to_another_agent_must_suit_that_agent(browser: Client, cast: SimpleNamespace) -> None:
    absence = AbsenceFactory(agent=cast.bruno, organisation=cast.mds)
    assert "organisation" in errors(change(browser, absence, fields(cast.etienne, organisation=cast.mds.pk)))


def test_an_absence_stays_with_the_organisation_that_its_agent_left(browser: Client, cast: SimpleNamespace) -> None:
    absence = AbsenceFactory(agent=cast.bruno, organisation=cast.mds)
    cast.bruno.roles.all().delete()
    sent = fields(cast.bruno, title="RTT", organisation=cast.mds.pk)
    change(browser, absence, sent)
    absence.refresh_from_db()
    assert (absence.title, absence.organisation) == ("RTT", cast.mds)


def test_a_deleted_agent_gets_no_absence(browser: Client, cast: SimpleNamespace) -> None:
    cast.bruno.leave()
    assert "agent" in errors(add(browser, cast.bruno))


@pytest.mark.parametrize("typed", ["congés", "CONGES", "bruno", "conges bruno@exemple", "annuels"])
def test_an_absence_is_found_by_title_or_agent_accents_aside(
    browser: Client, cast: SimpleNamespace, typed: str
) -> None:
    found = AbsenceFactory(agent=cast.bruno, title="Congés annuels")
    AbsenceFactory(agent=cast.chloe, title="RTT")
    assert listed(browser, q=typed) == {found}


def test_absences_are_filtered_by_agent(browser: Client, cast: SimpleNamespace) -> None:
    found = AbsenceFactory(agent=cast.bruno)
    AbsenceFactory(agent=cast.chloe)
    assert listed(browser, agent=cast.bruno.pk) == {found}


def test_absences_are_filtered_by_organisation_as_on_the_api(browser: Client, cast: SimpleNamespace) -> None:
    found = {AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.chloe, organisation=cast.mds)}
    AbsenceFactory(agent=cast.etienne)
    assert listed(browser, organisation=cast.mds.pk) == found


def test_absences_are_filtered_by_service(browser: Client, cast: SimpleNamespace) -> None:
    found = AbsenceFactory(agent=cast.sophie)
    AbsenceFactory(agent=cast.bruno)
    assert listed(browser, agent__services__id__exact=cast.secretariat.pk) == {found}


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("now", {"running"}),
        ("week", {"running", "in 3 days"}),
        ("month", {"running", "in 3 days", "in 20 days"}),
        ("future", {"in 3 days", "in 20 days", "in 60 days"}),
        ("past", {"this morning", "last year"}),
        ("", {"running", "in 3 days", "in 20 days", "in 60 days", "this morning", "last year"}),
    ],
)
def test_absences_are_filtered_by_period(
    now: Any, cast: SimpleNamespace, period: str, expected: set[str], request: Any
) -> None:
    browser = request.getfixturevalue("browser")  # its session begins in the morning that stands still
    today = datetime.date(2026, 11, 16)
    for title, days in (("in 3 days", 3), ("in 20 days", 20), ("in 60 days", 60), ("last year", -365)):
        AbsenceFactory(agent=cast.bruno, title=title, first_day=today + datetime.timedelta(days=days))
    AbsenceFactory(agent=cast.bruno, title="running", first_day=today - datetime.timedelta(days=2), end_day=today)
    AbsenceFactory(
        agent=cast.bruno, title="this morning", first_day=today, start_time=datetime.time(8), end_time=datetime.time(10)
    )
    assert {absence.title for absence in listed(browser, period=period)} == expected


def test_a_page_shows_how_an_absence_comes_again_and_holds_its_first_day_to_it(browser):
    absence = AbsenceFactory(first_day=datetime.date(2026, 12, 1), rrule="FREQ=WEEKLY;BYDAY=TU")
    page = browser.get(reverse("admin:absences_absence_change", args=(absence.pk,)))
    assert "FREQ=WEEKLY;BYDAY=TU" in page.content.decode()
    answer = change(browser, absence, fields(absence.agent, first_day="02/12/2026", kind="other"))
    assert errors(answer) == {"first_day": ["Le début de la récurrence ne correspond pas au premier jour."]}
    assert change(browser, absence, fields(absence.agent, title="Autre", kind="other")).status_code == 302
    assert Absence.objects.get().rrule == "FREQ=WEEKLY;BYDAY=TU"


def test_what_comes_again_is_among_what_is_now(browser):
    today = timezone.localdate()
    absence = AbsenceFactory(
        first_day=today - datetime.timedelta(days=7),
        start_time=datetime.time(0),
        end_time=datetime.time(23, 59, 59),
        rrule="FREQ=WEEKLY",
    )
    assert listed(browser, period="now") == {absence}
    assert listed(browser, period="future") == {absence}
    assert listed(browser, period="past") == set()
