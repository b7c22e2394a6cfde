"""`GET changes`: whoever replays what it tells has what a full read would give, from any token."""

import base64

import orjson
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from absences.models import Absence, AbsenceChange, DeletedAbsence
from agents.models import AgentRole
from rdv.api.committed import prune
from rdv.api.models import Lineage
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")
URL = "/api/v1/changes"


@pytest.fixture
def ask(sign_in, cast):
    """One page of changes as Martine sees them, or whoever else."""
    client = sign_in(cast.martine)

    def page(token=None, *, by=None, **query):
        query |= {"sync_token": token} if token else {}
        answer = (by or client).get(URL, query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return page


def told(page):
    return [(change["type"], change["absence"]["id"]) for change in page["changes"]]


def token_of(page):
    return page["meta"]["sync_token"]


def content_of(token):
    return orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def written(content):
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def test_who_begins_reads_all_that_they_see_as_the_list_shows_it(ask, sign_in, cast):
    mine, other = AbsenceFactory(agent=cast.martine), AbsenceFactory(agent=cast.bruno)
    AbsenceFactory(agent=cast.etienne)
    page = ask()
    assert told(page) == [("created", mine.pk), ("created", other.pk)]
    assert page["meta"]["has_more"] is False
    listed = sign_in(cast.martine).get("/api/v1/absences").json()["absences"]
    assert sorted(listed, key=lambda one: one["id"]) == [change["absence"] for change in page["changes"]]


def test_then_each_answer_tells_what_happened_since(ask, cast):
    one, two = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.bruno)
    token = token_of(ask())
    assert told(ask(token)) == []
    three = AbsenceFactory(agent=cast.chloe)
    one.title = "RTT"
    one.save()
    pk = two.pk
    two.delete()
    page = ask(token)
    assert told(page) == [("created", three.pk), ("updated", one.pk), ("deleted", pk)]
    assert page["changes"][1]["absence"]["title"] == "RTT"
    assert told(ask(token_of(page))) == []


def test_an_absence_that_changed_often_is_told_once_as_it_is(ask, cast):
    absence = AbsenceFactory(agent=cast.bruno)
    token = token_of(ask())
    for title in ("RTT", "Formation"):
        absence.title = title
        absence.save()
    (change,) = ask(token)["changes"]
    assert (change["type"], change["absence"]["title"], change["absence"]["version"]) == ("updated", "Formation", 3)


def test_a_tombstone_says_when_and_why(ask, cast, now):
    absence = AbsenceFactory(agent=cast.bruno)
    token = token_of(ask())
    pk, absence.deletion_reason = absence.pk, "Saisie deux fois"
    now.tick(60)
    absence.delete()
    (change,) = ask(token)["changes"]
    assert change == {
        "type": "deleted",
        "absence": {
            "id": pk,
            "deleted_at": "2026-11-16 10:01:00 +0100",
            "reason": "Saisie deux fois",
            "version": 2,
        },
    }


def test_why_a_private_absence_was_deleted_is_for_those_who_may_know(ask, sign_in, cast):
    absence = AbsenceFactory(agent=cast.bruno, private=True)
    sophie = sign_in(cast.sophie)
    tokens = token_of(ask()), token_of(ask(by=sophie))
    absence.deletion_reason = "Guéri"
    absence.delete()
    assert ask(tokens[0])["changes"][0]["absence"]["reason"] == "Guéri"
    assert ask(tokens[1], by=sophie)["changes"][0]["absence"]["reason"] is None


def test_what_a_private_absence_is_is_for_those_who_may_know(ask, sign_in, cast):
    AbsenceFactory(agent=cast.bruno, private=True, title="Opération")
    assert ask()["changes"][0]["absence"]["title"] == "Opération"
    page = ask(by=sign_in(cast.sophie))
    assert page["changes"][0]["absence"]["title"] == "Indisponible"
    assert "Opération" not in str(page)


def test_what_is_restored_is_created_once_more(ask, cast):
    absence = AbsenceFactory(agent=cast.bruno)
    pk = absence.pk
    absence.delete()
    token = token_of(ask())
    tombstone = DeletedAbsence.objects.get(pk=pk)
    absence = tombstone.absence()
    absence.version = tombstone.version + 1
    absence.save(force_insert=True)
    tombstone.delete()
    assert told(ask(token)) == [("created", pk)]


def test_who_begins_is_spared_the_tombstones_of_what_they_never_had(ask, cast):
    AbsenceFactory(agent=cast.bruno).delete()
    assert told(ask()) == []


def test_a_full_read_goes_page_by_page_and_a_deletion_meanwhile_comes_later(ask, cast):
    absences = [AbsenceFactory(agent=cast.bruno) for _ in range(5)]
    pks = [absence.pk for absence in absences]
    first = ask(per=2)
    assert told(first) == [("created", pks[0]), ("created", pks[1])]
    assert first["meta"]["has_more"] is True
    absences[0].delete()  # was told
    absences[3].save()  # was not
    second = ask(token_of(first), per=2)
    assert told(second) == [("created", pks[2]), ("created", pks[4])]
    third = ask(token_of(second), per=2)
    assert told(third) == [("deleted", pks[0]), ("updated", pks[3])]
    assert third["meta"]["has_more"] is False


def test_no_page_holds_more_than_a_hundred(ask, cast):
    Absence.objects.bulk_create(AbsenceFactory.build(agent=cast.bruno) for _ in range(101))
    for per in ({}, {"per": 1000}):
        page = ask(**per)
        assert len(page["changes"]) == 100
        assert page["meta"]["has_more"] is True
    assert len(ask(token_of(page))["changes"]) == 1


def test_what_an_absence_shows_of_others_is_told_when_it_changes(ask, cast):
    absence = AbsenceFactory(agent=cast.bruno)
    token = token_of(ask())
    cast.mds.name = "Maison neuve"
    cast.mds.save()
    (change,) = ask(token)["changes"]
    assert (change["type"], change["absence"]["id"]) == ("updated", absence.pk)
    assert change["absence"]["organisation"]["name"] == "Maison neuve"


def test_an_absence_given_to_an_agent_out_of_sight_is_gone(ask, cast):
    absence = AbsenceFactory(agent=cast.bruno)
    token = token_of(ask())
    Absence.objects.filter(pk=absence.pk).update(agent=cast.etienne)
    assert told(ask(token)) == [("deleted", absence.pk)]


@pytest.mark.parametrize(
    "change",
    [
        lambda cast: AgentFactory(basic_in=[cast.mds]),
        lambda cast: cast.chloe.leave(),
        lambda cast: cast.martine.roles.update(access_level="basic"),
        lambda cast: AgentRole.objects.filter(agent=cast.bruno).update(organisation=cast.lille),
    ],
)
def test_a_token_ends_when_its_bearer_sees_other_agents(ask, sign_in, cast, change):
    token = token_of(ask())
    change(cast)
    answer = sign_in(cast.martine).get(URL, {"sync_token": token})
    assert answer.status_code == 410
    assert answer.json()["errors"] == [{"base": "full_sync_required"}]
    assert answer.json()["error_messages"] == [
        "Ce jeton de synchronisation ne mène plus à l'état actuel. Relisez tout, en commençant sans jeton."
    ]


def test_a_token_is_of_those_agents_that_its_bearer_sees(ask, sign_in, cast):
    assert sign_in(cast.etienne).get(URL, {"sync_token": token_of(ask())}).status_code == 410


def test_who_sees_the_same_agents_but_may_know_less_of_them_has_no_use_for_it(ask, sign_in, cast):
    # Sophie, of the secretariat, sees whom Martine sees, who is their admin.
    assert sign_in(cast.sophie).get(URL, {"sync_token": token_of(ask())}).status_code == 410


def test_a_token_of_another_life_of_the_database_has_ended(ask, sign_in, cast):
    token = token_of(ask())
    Lineage.objects.update(life="another")
    assert sign_in(cast.martine).get(URL, {"sync_token": token}).status_code == 410


def test_a_token_ends_with_the_tombstones_that_it_has_not_seen(ask, sign_in, cast):
    one, two = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.bruno)
    old = token_of(ask())
    one.delete()
    new = token_of(ask(old))
    assert prune(AbsenceChange.objects.filter(deleted=True)) == 1
    client = sign_in(cast.martine)
    assert client.get(URL, {"sync_token": old}).status_code == 410
    two.save()
    assert told(ask(new)) == [("updated", two.pk)]


def test_what_can_no_longer_be_restored_can_no_longer_be_caught_up_with(ask, sign_in, cast, now, settings):
    one, two = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.bruno)
    old = token_of(ask())
    one.delete()
    AbsenceChange.objects.update(at=timezone.now())
    new = token_of(ask(old))
    now.tick((settings.RDV_ABSENCES_TOMBSTONE_DAYS - 1) * 86400)
    call_command("purge_deleted_absences")
    client = sign_in(cast.martine)
    assert told(ask(old, by=client))[0][0] == "deleted"
    now.tick(2 * 86400)
    call_command("purge_deleted_absences")
    client = sign_in(cast.martine)
    assert client.get(URL, {"sync_token": old}).status_code == 410
    assert told(ask(new, by=client)) == []
    assert [change.absence_id for change in AbsenceChange.objects.all()] == [two.pk]


def test_a_full_read_under_way_goes_on_though_older_tombstones_go(ask, cast):
    one, two, three = (AbsenceFactory(agent=cast.bruno) for _ in range(3))
    three.delete()
    first = ask(per=1)
    prune(AbsenceChange.objects.filter(deleted=True))
    assert told(first) + told(ask(token_of(first))) == [("created", one.pk), ("created", two.pk)]


def test_a_token_of_another_version_has_ended(ask, sign_in, cast):
    version, *rest = content_of(token_of(ask()))
    assert sign_in(cast.martine).get(URL, {"sync_token": written([version + 1, *rest])}).status_code == 410


@pytest.mark.parametrize("place", [[2**62, 1], [0, 2**62]])
def test_a_place_that_nobody_has_reached_is_of_another_database(ask, sign_in, cast, place):
    version, lineage, _place, *rest = content_of(token_of(ask()))
    token = written([version, lineage, place, *rest])
    assert sign_in(cast.martine).get(URL, {"sync_token": token}).status_code == 410


@pytest.mark.parametrize(
    "garbage",
    [
        "x",
        "é",
        "!!!!",
        "A" * 5000,
        written([]),
        written({}),
        written([1]),
        written([True, "x", [0, 0], None, 1, "x", [None, None, None]]),
        written([1, "x", [0], None, 1, "x", [None, None, None]]),
        written([1, "x", [0, -1], None, 1, "x", [None, None, None]]),
        written([1, "x", [0, 2**63], None, 1, "x", [None, None, None]]),
        written([1, "x", [0, 0], "x", 1, "x", [None, None, None]]),
        written([1, "x", [0, 0], None, 1.5, "x", [None, None, None]]),
        written([1, "x", [0, 0], None, 1, None, [None, None, None]]),
        written([1, "x", [0, 0], None, 1, "x", [None, None]]),
        written([1, "x", [0, 0], None, 1, "x", [None, "x", None]]),
        written("x" * 7),
        "W" * 30,
    ],
)
def test_what_is_no_token_is_refused_as_such(sign_in, cast, garbage):
    answer = sign_in(cast.martine).get(URL, {"sync_token": garbage})
    assert answer.status_code == 422
    assert answer.json()["errors"]["sync_token"][0]["error"] == "invalid"


def test_a_list_of_tokens_is_none(sign_in, cast):
    assert sign_in(cast.martine).get(f"{URL}?sync_token[]=a&sync_token[]=b").status_code == 422


def test_filters_are_those_of_the_list_and_the_token_keeps_them(ask, cast):
    mine, other = AbsenceFactory(agent=cast.martine), AbsenceFactory(agent=cast.chloe)
    for query, pks in (
        ({"agent_id": cast.chloe.pk}, [other.pk]),
        ({"service_id": cast.pmi.pk}, [mine.pk]),
        ({"organisation_id": cast.mds.pk}, [mine.pk, other.pk]),
        ({"organisation_id": cast.lille.pk}, []),
        ({"agent_id": "nobody"}, []),
        ({"agent_id": ""}, [mine.pk, other.pk]),
    ):
        page = ask(**query)
        assert [pk for _type, pk in told(page)] == pks, query
        mine.save()
        other.save()
        assert [pk for _type, pk in told(ask(token_of(page)))] == pks, query
        assert [pk for _type, pk in told(ask(token_of(page), **query))] == pks, query


def test_other_filters_than_those_of_the_token_are_refused(ask, sign_in, cast):
    token = token_of(ask(agent_id=cast.bruno.pk))
    for query in ({"agent_id": cast.chloe.pk}, {"service_id": cast.pmi.pk}):
        answer = sign_in(cast.martine).get(URL, {"sync_token": token, **query})
        assert answer.status_code == 422
        assert list(answer.json()["errors"]) == list(query)


def test_an_absence_that_leaves_what_is_asked_for_is_gone(ask, cast):
    elsewhere = OrganisationFactory()
    AgentRole.objects.create(agent=cast.bruno, organisation=elsewhere)
    absence = AbsenceFactory(agent=cast.bruno)
    token = token_of(ask(organisation_id=cast.mds.pk))
    Absence.objects.filter(pk=absence.pk).update(organisation=elsewhere)
    assert told(ask(token)) == [("deleted", absence.pk)]
    assert told(ask(organisation_id=cast.mds.pk)) == []


def test_a_token_ends_when_other_agents_come_through_its_filter(ask, sign_in, cast):
    token = token_of(ask(service_id=cast.pmi.pk))
    cast.chloe.services.add(cast.pmi)
    assert sign_in(cast.martine).get(URL, {"sync_token": token}).status_code == 410


def test_an_answer_without_news_is_the_same_again_and_so_304(ask, sign_in, cast):
    client = sign_in(cast.martine)
    AbsenceFactory(agent=cast.etienne)
    token = token_of(ask())
    first = client.get(URL, {"sync_token": token})
    AbsenceFactory(agent=cast.etienne)  # out of sight
    again = client.get(URL, {"sync_token": token}, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    AbsenceFactory(agent=cast.bruno)
    assert client.get(URL, {"sync_token": token}, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_token_that_is_asked_each_day_never_grows_old(ask, cast, now):
    AbsenceFactory(agent=cast.etienne)
    token = token_of(ask())
    AbsenceFactory(agent=cast.etienne).delete()
    assert token_of(ask(token)) == token
    now.tick(16 * 3600)
    token = token_of(ask(token))
    prune(AbsenceChange.objects.all())
    assert told(ask(token)) == []


def test_a_token_does_not_stay_far_behind(ask, cast):
    token = token_of(ask())
    Absence.objects.bulk_create(AbsenceFactory.build(agent=cast.etienne) for _ in range(1001))
    assert token_of(ask(token)) != token


def test_many_agents_are_met_in_the_same_order(ask, cast, monkeypatch):
    absences = [AbsenceFactory(agent=agent) for agent in (cast.bruno, cast.chloe, cast.etienne, cast.bruno)]
    expected = [("created", absences[at].pk) for at in (0, 1, 3)]
    assert told(ask()) == expected
    monkeypatch.setattr("absences.changes.reading.FEW", 0)
    page = ask()
    assert told(page) == expected
    absences[0].save()
    assert told(ask(token_of(page))) == [("updated", absences[0].pk)]


def test_the_queries_are_as_many_however_much_happened(ask, sign_in, cast):
    client = sign_in(cast.martine)
    token = token_of(ask())
    for agent in (cast.bruno, cast.chloe):
        AbsenceFactory(agent=agent).delete()
        AbsenceFactory(agent=agent)
    client.get(URL, {"sync_token": token})
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(URL, {"sync_token": token})
    Absence.objects.bulk_create(AbsenceFactory.build(agent=cast.bruno) for _ in range(60))
    Absence.objects.filter(pk__in=Absence.objects.order_by("-pk").values("pk")[:30]).delete()
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(URL, {"sync_token": token}).json()["changes"]) > 60
    # The credential, how far one can read, the agents in sight, what happened, what is there, what is not.
    assert len(few) == len(many) == 6


def test_a_key_for_other_things_is_refused(cast, sign_in):
    from tests.worlds import credentials

    assert credentials(cast.martine)["key"].get(URL).status_code == 200
