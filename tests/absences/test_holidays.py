"""Public holidays by département (row A18)."""

import datetime

import pytest

from absences.holidays import Holiday, names, public_holidays

pytestmark = pytest.mark.no_database

D = datetime.date

# As service-public.fr tells them for 2027 (fiche F2405).
COMMON_2027 = [
    Holiday(D(2027, 1, 1), "Jour de l'an"),
    Holiday(D(2027, 3, 29), "Lundi de Pâques"),
    Holiday(D(2027, 5, 1), "Fête du Travail"),
    Holiday(D(2027, 5, 6), "Ascension"),
    Holiday(D(2027, 5, 8), "Fête de la Victoire"),
    Holiday(D(2027, 5, 17), "Lundi de Pentecôte"),
    Holiday(D(2027, 7, 14), "Fête nationale"),
    Holiday(D(2027, 8, 15), "Assomption"),
    Holiday(D(2027, 11, 1), "Toussaint"),
    Holiday(D(2027, 11, 11), "Armistice"),
    Holiday(D(2027, 12, 25), "Noël"),
]


def in_year(departement: str, year: int, excluded: tuple[str, ...] = ()) -> list[Holiday]:
    return public_holidays(departement, D(year, 1, 1), D(year, 12, 31), excluded)


@pytest.mark.parametrize("departement", ["75", "62", "2A", "01", "975", "", "no such"])
def test_most_places_have_the_eleven_common_days(departement: str) -> None:
    assert in_year(departement, 2027) == COMMON_2027


@pytest.mark.parametrize("departement", ["57", "67", "68"])
def test_alsace_and_moselle_have_good_friday_and_26_december(departement: str) -> None:
    theirs = {Holiday(D(2027, 3, 26), "Vendredi saint"), Holiday(D(2027, 12, 26), "Saint Étienne")}
    assert set(in_year(departement, 2027)) == {*COMMON_2027, *theirs}


@pytest.mark.parametrize(
    ("departement", "month", "day"),
    [
        ("971", 5, 27),
        ("972", 5, 22),
        ("973", 6, 10),
        ("974", 12, 20),
        ("976", 4, 27),
        ("977", 10, 9),
        ("978", 5, 28),
    ],
)
def test_each_place_overseas_has_its_own_day_of_abolition(departement: str, month: int, day: int) -> None:
    """Code du travail L3422-2."""
    abolition = [one for one in in_year(departement, 2027) if "Abolition" in one.name]
    assert abolition == [Holiday(D(2027, month, day), "Abolition de l'esclavage")]


@pytest.mark.parametrize(("departement", "day"), [("988", (9, 24)), ("987", (11, 20)), ("986", (7, 29))])
def test_the_collectivities_of_the_pacific_have_their_days(departement: str, day: tuple[int, int]) -> None:
    assert D(2027, *day) in {one.day for one in in_year(departement, 2027)}


def test_a_day_that_is_dropped_by_its_name_is_a_working_day() -> None:
    assert in_year("62", 2027, ("Lundi de Pentecôte",)) == [
        one for one in COMMON_2027 if one.name != "Lundi de Pentecôte"
    ]


def test_of_two_holidays_on_one_day_one_may_be_dropped() -> None:
    both = public_holidays("62", D(2008, 5, 1), D(2008, 5, 1))
    assert both == [Holiday(D(2008, 5, 1), "Ascension"), Holiday(D(2008, 5, 1), "Fête du Travail")]
    assert public_holidays("62", D(2008, 5, 1), D(2008, 5, 1), {"Ascension"}) == both[1:]


def test_both_ends_count_and_years_are_crossed() -> None:
    assert [one.name for one in public_holidays("67", D(2026, 12, 25), D(2027, 1, 1))] == [
        "Noël",
        "Saint Étienne",
        "Jour de l'an",
    ]


def test_no_day_is_none() -> None:
    assert public_holidays("67", D(2026, 12, 26), D(2026, 12, 25)) == []
    assert public_holidays("67", D(2026, 12, 27), D(2026, 12, 31)) == []


@pytest.mark.parametrize("year", [2101, 4100, 9999])
def test_any_year_to_come_has_them(year: int) -> None:
    assert len(in_year("62", year)) == len(COMMON_2027)


def test_the_first_year_of_the_calendar_has_none() -> None:
    assert in_year("67", 1) == []


def test_every_name_of_any_place_may_be_excluded() -> None:
    for departement in ("62", "57", "67", "971", "972", "973", "974", "976", "977", "978", "986", "987", "988"):
        assert {one.name for one in in_year(departement, 2027)} <= set(names())
    assert len(names()) == len(set(names()))
