"""The filters of the list: each narrows it, together they are "and", none makes it wider (A5, design decision 1)."""

import datetime

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from absences.models import Absence

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory

MOMENT = "n'est pas une date ou une date et heure valide (format attendu : YYYY-MM-DD[THH:MM[:SS][±HH:MM]])"


@pytest.fixture
def out(cast):
    """`out("titre", "06-10 09:00", "06-12 17:00")`: Bruno is out then, in 2027."""

    def of(title, start, end, agent=None, **values):
        start = datetime.datetime.strptime(f"2027-{start}", "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)
        end = datetime.datetime.strptime(f"2027-{end}", "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)
        return AbsenceFactory(
            agent=agent or cast.bruno,
            title=title,
            first_day=start.date(),
            start_time=start.time(),
            end_day=end.date(),
            end_time=end.time(),
            **values,
        )

    return of


class TestByAgent:
    @pytest.fixture(autouse=True)
    def _each_one(self, cast):
        for who in ("bruno", "chloe", "etienne"):
            AbsenceFactory(agent=getattr(cast, who), title=who)

    def test_by_id(self, cast, listed):
        assert listed(agent_id=cast.bruno.pk) == ["bruno"]

    def test_an_id_is_read_up_to_its_last_digit(self, cast, listed):
        assert listed(agent_id=f"{cast.bruno.pk}abc") == ["bruno"]

    def test_somebody_out_of_sight_has_none(self, cast, listed):
        assert listed(agent_id=cast.etienne.pk) == []

    @pytest.mark.parametrize("agent_id", ["0", "-1", "inconnu", "9" * 30, " ", "null"])
    def test_nobody_has_none(self, listed, agent_id):
        assert listed(agent_id=agent_id) == []

    def test_empty_is_no_filter(self, listed):
        assert listed(agent_id="", agent_email="") == ["chloe", "bruno"]

    def test_by_email(self, cast, listed):
        assert listed(agent_email="chloe@exemple.test") == ["chloe"]

    @pytest.mark.parametrize(
        "email", ["CHLOE@exemple.test", " chloe@exemple.test", "chloe", "etienne@exemple.test", "%"]
    )
    def test_an_email_is_exact_and_in_sight(self, listed, email):
        assert listed(agent_email=email) == []

    def test_both_are_and(self, cast, listed):
        assert listed(agent_id=cast.bruno.pk, agent_email="chloe@exemple.test") == []

    @pytest.mark.parametrize("name", ["agent_email", "title"])
    def test_a_list_is_no_text(self, martine, name):
        answer = martine.get(f"/api/v1/absences?{name}[]=bruno@exemple.test")
        assert (answer.status_code, answer.json()["errors"]) == (
            422,
            {name: [{"error": "invalid", "value": ["bruno@exemple.test"]}]},
        )

    def test_a_list_of_ids_finds_nobody(self, cast, martine):
        answer = martine.get(f"/api/v1/absences?agent_id[]={cast.bruno.pk}&agent_id[]={cast.chloe.pk}")
        assert answer.json()["meta"]["total_count"] == 0


class TestByService:
    def test_those_of_its_agents(self, cast, listed):
        for who in ("bruno", "chloe", "etienne"):
            AbsenceFactory(agent=getattr(cast, who), title=who)
        assert listed(service_id=cast.pmi.pk) == ["bruno"]
        assert listed(service_id=cast.social.pk) == ["chloe"]
        assert listed(service_id=cast.secretariat.pk) == []
        assert listed(service_id="999999") == []

    def test_an_agent_of_two_services_is_found_once_by_each(self, cast, listed):
        AbsenceFactory(agent=AgentFactory(services=[cast.pmi, cast.social], basic_in=[cast.mds]), title="double")
        assert listed(service_id=cast.pmi.pk) == listed(service_id=cast.social.pk) == ["double"]


class TestByOrganisation:
    @pytest.fixture
    def canal(self, cast):
        """A second organisation where Bruno works, and where Martine is basic."""
        canal = OrganisationFactory(name="MDS du canal", territory=cast.paris)
        cast.bruno.roles.create(organisation=canal)
        cast.martine.roles.create(organisation=canal)
        return canal

    def test_absences_of_its_agents_kept_for_it_or_for_all(self, cast, canal, listed):
        AbsenceFactory(agent=cast.bruno, title="pour toutes")
        AbsenceFactory(agent=cast.bruno, title="pour la MDS", organisation=cast.mds)
        AbsenceFactory(agent=cast.bruno, title="pour le canal", organisation=canal)
        AbsenceFactory(agent=cast.chloe, title="de Chloé")
        assert listed(organisation_id=cast.mds.pk) == ["de Chloé", "pour la MDS", "pour toutes"]
        assert listed(organisation_id=canal.pk) == ["pour le canal", "pour toutes"]

    @pytest.mark.parametrize("which", ["foreign", "unknown", "unreadable", "of 30 digits"])
    def test_out_of_reach_the_list_is_empty_and_not_wider(self, cast, listed, which):
        AbsenceFactory(agent=cast.bruno)
        AbsenceFactory(agent=cast.etienne)
        sent = {"foreign": cast.lille.pk, "unknown": 999_999, "unreadable": "toutes", "of 30 digits": "9" * 30}[which]
        assert listed(organisation_id=sent) == []

    def test_a_foreign_organisation_of_a_visible_agent_says_nothing_of_who_works_there(self, cast, listed):
        cast.bruno.roles.create(organisation=cast.lille)
        AbsenceFactory(agent=cast.bruno)
        assert listed(organisation_id=cast.lille.pk) == []

    def test_a_territorial_admin_may_name_any_of_the_territory(self, cast, sign_in):
        AbsenceFactory(agent=cast.bruno)
        answer = sign_in(cast.thierry).get("/api/v1/absences", {"organisation_id": cast.mds.pk})
        assert answer.json()["meta"]["total_count"] == 1

    def test_empty_is_no_filter(self, cast, listed):
        AbsenceFactory(agent=cast.bruno, title="bruno")
        assert listed(organisation_id="") == ["bruno"]


class TestByOverlap:
    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("06-01 09:00", "06-30 17:00"),  # around it
            ("06-09 09:00", "06-10 00:01"),  # ends in it
            ("06-12 23:59", "06-15 17:00"),  # begins in it
            ("06-11 09:00", "06-11 10:00"),  # inside
            ("06-10 00:00", "06-13 00:00"),  # exactly it
        ],
    )
    def test_what_shares_a_moment_with_the_period_is_listed(self, out, listed, start, end):
        out("absence", start, end)
        assert listed(**{"from": "2027-06-10", "to": "2027-06-12"}) == ["absence"]

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("06-09 09:00", "06-09 23:59"),
            ("06-09 09:00", "06-10 00:00"),  # touching is not overlapping
            ("06-13 00:00", "06-13 17:00"),
        ],
    )
    def test_what_shares_none_is_not(self, out, listed, start, end):
        out("absence", start, end)
        assert listed(**{"from": "2027-06-10", "to": "2027-06-12"}) == []

    def test_each_bound_may_stand_alone(self, out, listed):
        out("avant", "06-01 09:00", "06-01 17:00")
        out("après", "06-20 09:00", "06-20 17:00")
        assert listed(**{"from": "2027-06-10"}) == ["après"]
        assert listed(to="2027-06-10") == ["avant"]

    def test_to_the_minute(self, out, listed):
        out("matin", "06-10 09:00", "06-10 12:00")
        assert listed(**{"from": "2027-06-10T11:59", "to": "2027-06-10T18:00"}) == ["matin"]
        assert listed(**{"from": "2027-06-10T12:00", "to": "2027-06-10T18:00"}) == []
        assert listed(**{"from": "2027-06-10T08:00", "to": "2027-06-10T09:00"}) == []
        assert listed(**{"from": "2027-06-10T08:00", "to": "2027-06-10T09:00:01"}) == ["matin"]

    @pytest.mark.parametrize(
        "moment",
        [
            "2027-06-10T09:59:00Z",
            "2027-06-10T11:59:00+02:00",
            "2027-06-10T11:59+0200",
            "2027-06-10 11:59:00 +0200",  # as the wire itself shows an instant
            "2027-06-10T05:59:00.000-04:00",
            " 2027-06-10 11:59 ",
        ],
    )
    def test_an_offset_is_turned_into_the_time_of_paris(self, out, listed, moment):
        out("jusqu'à 11h59", "06-10 09:00", "06-10 11:59")
        out("jusqu'à midi", "06-10 09:00", "06-10 12:00")
        assert listed(**{"from": moment}) == ["jusqu'à midi"]

    @pytest.mark.parametrize("raw", ["2027-06-10T11:59:00+02:00", "2027-06-10%2011:59:00%20+0200"])
    def test_a_plus_that_arrives_as_a_space_is_an_offset_all_the_same(self, out, martine, raw):
        out("jusqu'à 11h59", "06-10 09:00", "06-10 11:59")
        out("jusqu'à midi", "06-10 09:00", "06-10 12:00")
        answer = martine.generic("GET", "/api/v1/absences", QUERY_STRING=f"from={raw}")
        assert [absence["title"] for absence in answer.json()["absences"]] == ["jusqu'à midi"]

    def test_in_winter_paris_is_one_hour_ahead(self, out, listed):
        out("jusqu'à midi", "12-10 09:00", "12-10 12:00")
        assert listed(**{"from": "2027-12-10T10:59Z"}) == ["jusqu'à midi"]
        assert listed(**{"from": "2027-12-10T11:00Z"}) == []

    def test_the_night_when_the_clock_changes_belongs_to_its_day(self, out, listed):
        out("nuit du changement", "03-28 01:00", "03-28 04:00")
        assert listed(**{"from": "2027-03-28T01:59:00Z"}) == ["nuit du changement"]  # 03:59
        assert listed(**{"from": "2027-03-28T02:00:00Z"}) == []
        assert listed(to="2027-03-28T00:00:00Z") == []  # 01:00
        assert listed(to="2027-03-28T00:00:01Z") == ["nuit du changement"]

    def test_the_last_day_of_the_calendar_is_a_day(self, out, listed):
        out("absence", "06-10 09:00", "06-10 12:00")
        assert listed(**{"from": "0001-01-01", "to": "9999-12-31"}) == ["absence"]


class TestByStart:
    def test_after_a_day_is_from_its_midnight_on(self, out, listed):
        out("la veille", "06-09 23:59", "06-11 09:00")
        out("à minuit", "06-10 00:00", "06-10 09:00")
        assert listed(starts_after="2027-06-10") == ["à minuit"]

    def test_before_a_day_leaves_that_day_out(self, out, listed):
        out("la veille", "06-09 23:59", "06-11 09:00")
        out("à minuit", "06-10 00:00", "06-10 09:00")
        assert listed(starts_before="2027-06-10") == ["la veille"]

    def test_an_absence_that_began_before_is_not_a_start(self, out, listed):
        out("longue", "06-01 09:00", "06-30 17:00")
        assert listed(starts_after="2027-06-10", starts_before="2027-06-13") == []

    def test_consecutive_windows_share_nothing_and_forget_nothing(self, out, listed):
        out("à l'heure dite", "06-10 09:00", "06-10 12:00")
        moment = "2027-06-10T09:00"
        assert listed(starts_after=moment) == ["à l'heure dite"]
        assert listed(starts_before=moment) == []


class TestByChange:
    @pytest.fixture
    def touched(self, out, cast):
        """Three absences, last changed at 8, 9 and 10 o'clock UTC of the day before."""
        for hour in (8, 9, 10):
            absence = out(f"à {hour}h", "06-10 09:00", "06-10 12:00")
            changed = datetime.datetime(2026, 11, 15, hour, tzinfo=datetime.UTC)
            Absence.objects.filter(pk=absence.pk).update(updated_at=changed)

    @pytest.mark.parametrize(
        "since", ["2026-11-15T09:00:00Z", "2026-11-15T10:00", "2026-11-15 10:00:00 +0100", "2026-11-15T10:00:00+01:00"]
    )
    def test_changed_then_or_later(self, touched, listed, since):
        assert listed(changed_since=since) == ["à 10h", "à 9h"]

    def test_a_day_is_its_midnight_in_paris(self, touched, listed):
        assert len(listed(changed_since="2026-11-15")) == len(listed(changed_since="0001-01-01")) == 3
        assert listed(changed_since="2026-11-16") == listed(changed_since="9999-12-31") == []

    def test_a_change_brings_an_absence_back(self, touched, martine, listed):
        pk = Absence.objects.get(title="à 8h").pk
        martine.patch(f"/api/v1/absences/{pk}", {"title": "retouchée"})
        assert listed(changed_since="2026-11-16") == ["retouchée"]

    def test_a_creation_is_a_change(self, touched, martine, asked, listed):
        martine.post("/api/v1/absences", asked)
        assert listed(changed_since="2026-11-16") == ["Congé formation"]

    def test_the_last_change_seen_may_be_sent_back_as_it_was_shown(self, martine, asked, listed):
        shown = martine.post("/api/v1/absences", asked).json()["absence"]["updated_at"]
        assert timezone.now().isoformat() == "2026-11-16T09:00:00+00:00"
        assert listed(changed_since=shown) == ["Congé formation"]


class TestByTitle:
    @pytest.fixture(autouse=True)
    def _two(self, cast):
        AbsenceFactory(agent=cast.bruno, title="Congé d'été à Œuvre-sur-Mer 100 %")
        AbsenceFactory(agent=cast.bruno, title="STRASSE_7")

    @pytest.mark.parametrize("title", ["congé", "CONGE", "d'ete", "ÉTÉ", "e\u0301te", "100 %", "œuvre", "mer 1"])
    def test_contains_whatever_the_case_and_the_accents(self, listed, title):
        assert listed(title=title) == ["Congé d'été à Œuvre-sur-Mer 100 %"]

    @pytest.mark.parametrize("title", ["strasse_", "straße", "e_7"])
    def test_no_character_stands_for_another(self, listed, title):
        assert listed(title=title) == ["STRASSE_7"]

    @pytest.mark.parametrize("title", ["formation", "10_", "%%", "\\", "congé  d'été", "x" * 60_000])
    def test_what_no_title_contains_finds_nothing(self, listed, title):
        assert listed(title=title) == []

    def test_an_accent_alone_finds_nothing_rather_than_everything(self, listed):
        assert listed(title="\u0301") == []

    def test_empty_is_no_filter(self, listed):
        assert len(listed(title="")) == 2

    def test_a_changed_title_is_found_by_its_new_words_only(self, martine, listed):
        pk = Absence.objects.get(title="STRASSE_7").pk
        martine.patch(f"/api/v1/absences/{pk}", {"title": "Réunion"})
        assert (listed(title="reunion"), listed(title="strasse")) == (["Réunion"], [])


@pytest.mark.parametrize("name", ["from", "to", "starts_after", "starts_before", "changed_since"])
@pytest.mark.parametrize(
    "value",
    [
        *("demain", "2027-13-45", "2027-02-29", "2027-06-10T25:00", "2027-06-10T10h30", "10/06/2027", "2027-06-10Z"),
        *("2027-W23-4", "2027-06-10T10:30+99:99", "1781082000", "0001-01-01T00:00:00+23:00", "٢٠٢٧-٠٦-١٠", " "),
    ],
)
def test_a_moment_that_cannot_be_read_is_said_so_and_never_dropped(martine, name, value):
    answer = martine.get("/api/v1/absences", {name: value})
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "success": False,
            "errors": {name: [{"error": "invalid", "value": value, "format": "YYYY-MM-DD[THH:MM[:SS][±HH:MM]]"}]},
            "error_messages": [f"{name} {MOMENT}"],
        },
    )


def test_all_unreadable_moments_are_told_at_once(martine):
    answer = martine.get("/api/v1/absences?from=x&to=y&changed_since=z")
    assert set(answer.json()["errors"]) == {"from", "to", "changed_since"}


@pytest.mark.parametrize("name", ["from", "to", "starts_after", "starts_before", "changed_since"])
def test_an_empty_moment_is_no_filter(cast, listed, name):
    AbsenceFactory(agent=cast.bruno, title="absence")
    assert listed(**{name: ""}) == ["absence"]


def test_filters_together_are_and(cast, out, listed):
    out("formation en juin", "06-10 09:00", "06-10 12:00")
    out("formation en mai", "05-10 09:00", "05-10 12:00")
    out("congé en juin", "06-10 09:00", "06-10 12:00")
    out("formation de Chloé", "06-10 09:00", "06-10 12:00", agent=cast.chloe)
    asked = {"title": "formation", "from": "2027-06-01", "to": "2027-06-30", "agent_id": cast.bruno.pk}
    assert listed(**asked) == ["formation en juin"]


FILTERS = (
    *("agent_id", "agent_email", "service_id", "organisation_id", "title"),
    *("from", "to", "starts_after", "starts_before", "changed_since", "page", "per"),
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
    st.integers(-(10**30), 10**30).map(str),
    st.integers(1, 40).map(str),
    st.sampled_from(["bruno@exemple.test", "chloe@exemple.test", "o", "%", "_", "\u0301"]),
    st.dates().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
)


@settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=st.dictionaries(st.sampled_from([*FILTERS, *(f"{name}[]" for name in FILTERS)]), VALUES, max_size=3))
def test_whatever_is_asked_the_list_is_never_wider_and_the_server_never_at_a_loss(cast, chloe, query):
    answer = chloe.get("/api/v1/absences", query)
    assert answer.status_code in (200, 422), answer.content
    if answer.status_code == 200:
        assert {absence["title"] for absence in answer.json()["absences"]} <= {"chloe"}


@pytest.fixture
def chloe(cast, sign_in):
    """Chloé, who sees her own absence and no other."""
    for who in ("bruno", "chloe", "martine", "etienne"):
        AbsenceFactory(agent=getattr(cast, who), title=who)
    return sign_in(cast.chloe)


def test_the_total_is_that_of_the_filtered_list(cast, martine):
    Absence.objects.bulk_create(AbsenceFactory.build(agent=cast.bruno, title="une") for _ in range(3))
    AbsenceFactory(agent=cast.bruno, title="autre")
    answer = martine.get("/api/v1/absences?title=une")
    assert (answer.json()["meta"]["total_count"], answer["X-Total-Count"]) == (3, "3")
