"""A feed shows no more than its owner sees at that moment, and of that no more than it may tell (C5)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from absences.models import Absence
from agents.models import AccessLevel, AgentRole
from tests.factories import AbsenceFactory, FeedFactory

from .conftest import ask, events, summaries

TITLE = "Rendez-vous chez le médecin"


def of_mds(cast: SimpleNamespace, owner: Any, privacy: str, **options: Any) -> Any:
    return FeedFactory(owner=owner, organisation=cast.mds, privacy=privacy, **options)


def text(feed: Any) -> str:
    return str(ask(feed).content.decode().replace("\r\n ", ""))


def test_nothing_personal_is_told_unless_it_is_asked_for(cast: SimpleNamespace) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title=TITLE, kind="sick", organisation=cast.mds)
    Absence.objects.filter(pk=absence.pk).update(overrides={"2026-12-08": {"title": "Opération"}}, rrule="FREQ=WEEKLY")
    feed = FeedFactory(owner=cast.martine, organisation=cast.mds)
    assert summaries(feed) == ["Indisponible", "Indisponible"]
    for personal in (cast.bruno.email, cast.bruno.first_name, cast.bruno.last_name, "médecin", "Opération", "aladie"):
        assert personal not in text(feed)
    assert cast.mds.name not in text(feed)


def test_titles_say_whose_they_are_where_they_may_be_several_people_s(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno, title=TITLE, kind="sick")
    name = cast.bruno.get_full_name()
    assert summaries(of_mds(cast, cast.martine, "titles")) == [f"{name} : {TITLE}"]
    own = FeedFactory(owner=cast.martine, agent=cast.bruno, privacy="titles")
    assert summaries(own) == [TITLE]
    assert cast.bruno.email not in text(own)
    assert "aladie" not in text(own)


def test_full_is_all_that_the_owner_sees(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno, title=TITLE, kind="sick", organisation=cast.mds)
    [event] = events(of_mds(cast, cast.martine, "full"))
    assert event["SUMMARY"] == f"{cast.bruno.get_full_name()} : {TITLE}"
    assert event["DESCRIPTION"] == f"{cast.bruno.get_full_name()} <{cast.bruno.email}>\nMaladie\nMDS Les Tilleuls"
    assert event["CATEGORIES"].cats == ["Maladie"]


MASKED, TOLD = "Indisponible", TITLE


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    ("owner", "privacy", "expected"),
    [
        ("martine", "titles", MASKED),  # an admin, who may know: the address may go further than they think
        ("martine", "full", TOLD),
        ("thierry", "full", TOLD),
        ("sophie", "titles", MASKED),
        ("sophie", "full", MASKED),  # a secretariat sees that they are out
        ("bruno", "titles", MASKED),
        ("bruno", "full", TOLD),  # their own
        ("bruno", "busy", MASKED),
    ],
)
def test_a_private_absence_is_told_in_full_to_who_may_know_it(
    cast: SimpleNamespace, owner: str, privacy: str, expected: str, deleted: bool
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title=TITLE, kind="sick", private=True)
    if deleted:
        absence.delete()
    feed = FeedFactory(owner=getattr(cast, owner), agent=cast.bruno, privacy=privacy)
    assert summaries(feed) == [expected]
    assert ("aladie" in text(feed)) == (expected == TOLD and not deleted)


def test_a_changed_occurrence_of_a_private_absence_is_masked_too(cast: SimpleNamespace) -> None:
    row = AbsenceFactory(agent=cast.bruno, title=TITLE, private=True)
    Absence.objects.filter(pk=row.pk).update(rrule="FREQ=WEEKLY", overrides={"2026-12-08": {"title": "Opération"}})
    feed = FeedFactory(owner=cast.sophie, agent=cast.bruno, privacy="full")
    assert summaries(feed) == [MASKED, MASKED]
    assert "Opération" not in text(feed)


@pytest.mark.parametrize("deleted", [False, True])
def test_to_choose_among_kinds_does_not_tell_what_is_masked(cast: SimpleNamespace, deleted: bool) -> None:
    absence = AbsenceFactory(agent=cast.bruno, kind="sick", private=True)
    if deleted:
        absence.delete()
    for owner, privacy, shown in (("sophie", "full", 0), ("martine", "titles", 0), ("martine", "full", 1)):
        feed = FeedFactory(owner=getattr(cast, owner), agent=cast.bruno, privacy=privacy, kinds=["sick"])
        assert len(events(feed)) == shown, (owner, privacy)


def test_it_is_of_those_whom_its_owner_sees(cast: SimpleNamespace) -> None:
    for who in ("martine", "bruno", "chloe", "sophie", "etienne"):
        AbsenceFactory(agent=getattr(cast, who), title=who)
    # Bruno sees his service; the secretariat everybody of the organisation.
    assert {one.rpartition(" : ")[2] for one in summaries(of_mds(cast, cast.bruno, "titles"))} == {"martine", "bruno"}
    assert len(summaries(of_mds(cast, cast.sophie, "titles"))) == 4
    pmi = FeedFactory(owner=cast.martine, service=cast.pmi, privacy="titles")
    assert {one.rpartition(" : ")[2] for one in summaries(pmi)} == {"martine", "bruno"}


def test_of_an_organisation_are_those_kept_for_it_or_for_all(cast: SimpleNamespace) -> None:
    AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille)
    for title, place in (("ici", cast.mds), ("là", cast.lille), ("partout", None)):
        AbsenceFactory(agent=cast.bruno, title=title, organisation=place)
    shown = summaries(of_mds(cast, cast.martine, "titles"))
    assert [one.rpartition(" : ")[2] for one in shown] == ["ici", "partout"]
    Absence.objects.get(title="là").delete()
    assert len(summaries(of_mds(cast, cast.martine, "titles"))) == 2


def test_a_right_that_is_withdrawn_leaves_the_feed_at_once(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno, private=True, title=TITLE)
    AbsenceFactory(agent=cast.bruno).delete()
    feed = of_mds(cast, cast.martine, "full")
    assert summaries(feed)[0].endswith(TITLE)
    assert len(events(feed)) == 2
    role = AgentRole.objects.get(agent=cast.martine)
    role.access_level = AccessLevel.BASIC
    AgentRole.objects.create(agent=cast.chloe, organisation=cast.lille)
    AgentRole.objects.filter(agent=cast.chloe, organisation=cast.mds).update(access_level=AccessLevel.ADMIN)
    role.save()
    assert summaries(feed)[0].endswith(f": {MASKED}")  # a colleague now
    cast.martine.services.clear()
    assert events(feed) == []


def test_an_agent_who_left_leaves_others_feeds(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno)
    feed = of_mds(cast, cast.martine, "full")
    assert len(events(feed)) == 1
    cast.bruno.leave()
    assert events(feed) == []
