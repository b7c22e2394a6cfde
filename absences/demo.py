"""A directory that looks like life, to try the server with: three départements, their places, people and absences.

The same on any machine on the same day: chance is seeded, and days are counted from today.
"""

from __future__ import annotations

import datetime
import random
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

PASSWORD = "123456"
ADMINISTRATOR = "admin@demo.rdv-solidarites.fr"

DAY = datetime.timedelta(days=1)
REACH = 365  # days, before and after today
MORNING, NOON, EVENING = datetime.time(8), datetime.time(12), datetime.time(18)

TERRITORIES = {"75": "Paris", "62": "Pas-de-Calais", "26": "Drôme"}

SERVICES = {
    "PMI (Protection Maternelle Infantile)": "PMI",
    "Service social": "Social",
    "Secrétariat": "Secrétariat",
    "Insertion professionnelle": "Insertion",
    "Aide sociale à l'enfance": "ASE",
    "Autonomie des personnes âgées": "Autonomie",
    "Maison départementale des personnes handicapées": "MDPH",
    "Logement": "Logement",
}
PMI, SOCIAL, SECRETARIAT, *OTHERS = SERVICES

# Name, département, email, telephone.
ORGANISATIONS = (
    ("MDS Paris Nord", "75", "paris.nord@demo.rdv-solidarites.fr", "01 40 00 00 00"),
    ("MDS Paris Est", "75", "paris.est@demo.rdv-solidarites.fr", None),
    ("Centre de PMI de Belleville", "75", None, "01 43 00 00 00"),
    ("CCAS du 14e arrondissement", "75", None, None),
    ("MDS Arras Nord", "62", "arras.nord@demo.rdv-solidarites.fr", "03 21 00 00 00"),
    ("MDS Lens", "62", None, "03 21 00 00 01"),
    ("MDS Boulogne-sur-Mer", "62", None, None),
    ("CCAS de Béthune", "62", "ccas.bethune@demo.rdv-solidarites.fr", None),
    ("MDS Valence Centre", "26", "valence@demo.rdv-solidarites.fr", "04 75 00 00 00"),
    ("MDS Montélimar", "26", None, "04 75 00 00 01"),
    ("MDS Romans-sur-Isère", "26", None, None),
    ("CCAS de Die", "26", None, "3949"),
)

FIRST_NAMES = (
    "Aïcha Alain Amélie Anaïs André Antoine Aurélie Béatrice Benoît Brigitte Camille Catherine Cédric Chloé Christophe "
    "Clémence Damien Delphine Élodie Émile Étienne Fabien Fatima François Gaëlle Georges Hélène Hugo Inès Isabelle "
    "Jérôme Joëlle Julien Karim Laure Léa Loïc Lucie Malik Manon Maxime Mehdi Nadia Nathalie Noémie Olivier Pascale "
    "Patrick Quentin Rachid Romain Sandrine Solène Stéphane Sylvie Thierry Valérie Yann Zoé"
)
LAST_NAMES = (
    "Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefèvre Leroy Roux David "
    "Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Müller Lefebvre Faure Mercier "
    "Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Garcia Perrin Robin Clément Morin Nicolas Henry "
    "Roussel Mathieu Gautier Masson Marchand Duval Denis Dumont Marie Lemaire Noël Meyer Benali Diallo"
)


class Habit(NamedTuple):
    """A kind of absence: how often among others, how many days it may last, and the hours of its first and last day."""

    title: str
    weight: int
    days: tuple[int, ...]
    hours: tuple[tuple[datetime.time, datetime.time], ...]
    foreseen: bool = True
    absence_kind: str = "other"
    private: bool = False


_WHOLE_DAY = ((MORNING, EVENING),)
_OFFICE = ((datetime.time(9), datetime.time(17)), (datetime.time(9), datetime.time(16, 30)))
_HALF_DAY = ((MORNING, NOON), (datetime.time(13, 30), EVENING))
_MEETING = ((datetime.time(9, 30), datetime.time(11)), (datetime.time(14), datetime.time(16)))

HABITS = (
    Habit("Congés", 16, (2, 3, 5, 5, 12, 19), _WHOLE_DAY, absence_kind="holiday"),
    Habit("RTT", 18, (1,), _WHOLE_DAY + _HALF_DAY, absence_kind="holiday"),
    Habit("Formation", 10, (1, 2, 3), _OFFICE, absence_kind="training"),
    Habit("Réunion d'équipe", 22, (1,), _MEETING),
    Habit("Réunion de synthèse", 8, (1,), _MEETING),
    Habit("Arrêt maladie", 8, (1, 2, 3, 5), _WHOLE_DAY, foreseen=False, absence_kind="sick", private=True),
    Habit("Enfant malade", 6, (1, 2), _WHOLE_DAY, foreseen=False),
    Habit("Rendez-vous médical", 5, (1,), _HALF_DAY),
    Habit("Visite à domicile", 8, (1,), _HALF_DAY),
    Habit("Journée départementale", 3, (1,), _OFFICE),
)


def demo_directory(today: datetime.date) -> dict[str, Any]:
    """The demo as a directory file, with its absences in the year before and the year after `today`."""
    chance = random.Random("rdv")  # noqa: S311 - the same for everyone is what is wanted
    agents = list(_agents(chance))
    return {
        "territories": [{"name": name, "departement_number": number} for number, name in TERRITORIES.items()],
        "services": [
            {"name": name, "short_name": short_name, "secretariat": name == SECRETARIAT}
            for name, short_name in SERVICES.items()
        ],
        "organisations": [
            {"name": name, "departement_number": number}
            | ({"email": email} if email else {})
            | ({"phone_number": phone_number} if phone_number else {})
            for name, number, email, phone_number in ORGANISATIONS
        ],
        "agents": agents,
        "absences": [absence for agent in agents for absence in _absences(chance, agent, today)],
    }


def _agents(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Martine, then one of every kind, then enough colleagues to make sixty."""
    nord, est, belleville, ccas, arras, lens, _boulogne, _bethune, valence, *_ = (row[0] for row in ORGANISATIONS)
    people = zip(chance.sample(FIRST_NAMES.split(), 59), chance.sample(LAST_NAMES.split(), 59), strict=True)

    def somebody(services: list[str], roles: dict[str, str], **more: Any) -> dict[str, Any]:
        first_name, last_name = next(people)
        return _agent(first_name, last_name.upper(), services, roles, **more)

    yield _agent("Martine", "VALIDAY", [PMI], {nord: "admin"}, email="martine@demo.rdv-solidarites.fr")
    yield somebody([SOCIAL], {nord: "basic"}, territorial_admin_of=["75"])
    yield somebody([SOCIAL], {}, territorial_admin_of=["62", "26"])  # sees two territories, works in none
    yield somebody([PMI, SOCIAL], {nord: "basic", est: "admin", arras: "intervenant"})
    yield somebody([SECRETARIAT], {nord: "basic", belleville: "basic"})
    yield somebody([PMI, SECRETARIAT], {ccas: "basic"})
    yield somebody([], {lens: "intervenant"})
    yield somebody([SOCIAL], {})  # no role anywhere: not even their own absences
    yield somebody([PMI], {nord: "basic"}, active=False)
    yield somebody([SOCIAL], {valence: "basic"}, password=None)  # signs in otherwise, or not at all
    for name, *_ in ORGANISATIONS[2:]:
        yield somebody([chance.choice((SOCIAL, PMI))], {name: "admin"})
    for name, *_ in ORGANISATIONS[1:]:
        yield somebody([SECRETARIAT], {name: "basic"})
    services = [PMI, PMI, SOCIAL, SOCIAL, *OTHERS]
    for number in range(29):
        name, departement, *_ = ORGANISATIONS[number % len(ORGANISATIONS)]
        roles = {name: "intervenant" if number % 10 == 9 else "basic"}
        if number % 4 == 3:  # half a week here, half a week there
            nearby = [row[0] for row in ORGANISATIONS if row[1] == departement and row[0] != name]
            roles[chance.choice(nearby)] = "basic"
        yield somebody(sorted(set(chance.choices(services, k=1 + (number % 6 == 5)))), roles)


def _agent(
    first_name: str, last_name: str, services: list[str], roles: dict[str, str], email: str = "", **more: Any
) -> dict[str, Any]:
    agent = {
        "email": email or f"{_plain(first_name)}.{_plain(last_name)}@demo.rdv-solidarites.fr",
        "password": PASSWORD,
        "first_name": first_name,
        "last_name": last_name,
        "services": services,
        "roles": [{"organisation": name, "access_level": level} for name, level in roles.items()],
        **more,
    }
    return {key: value for key, value in agent.items() if value is not None}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def _absences(chance: random.Random, agent: dict[str, Any], today: datetime.date) -> Iterator[dict[str, Any]]:
    """Some twenty-five absences of `agent`, on working days, never two at once."""
    taken: set[datetime.date] = set()
    weights = [habit.weight for habit in HABITS]
    wanted = chance.randint(21, 29)
    while wanted:
        habit = chance.choices(HABITS, weights)[0]
        first_day = today + chance.randint(-REACH, REACH) * DAY
        if first_day > today and not habit.foreseen:
            continue
        end_day = first_day + (chance.choice(habit.days) - 1) * DAY
        days = {first_day + number * DAY for number in range((end_day - first_day).days + 1)}
        if first_day.weekday() > 4 or end_day.weekday() > 4 or end_day > today + REACH * DAY or days & taken:
            continue
        taken |= days
        wanted -= 1
        start_time, end_time = chance.choice(habit.hours)
        absence = {
            "agent_email": agent["email"],
            "title": habit.title,
            "first_day": first_day.isoformat(),
            "start_time": start_time.isoformat("minutes"),
            "end_day": end_day.isoformat(),
            "end_time": end_time.isoformat("minutes"),
        }
        if habit.absence_kind != "other":
            absence["kind"] = habit.absence_kind
        if habit.private:
            absence["private"] = True
        if agent["roles"] and chance.random() < 0.4:
            absence["organisation"] = chance.choice(agent["roles"])["organisation"]
        yield absence
    # By the agent's name: what was drawn before stays as it was.
    if habit_of := RECURRING[len(agent["email"]) % len(RECURRING)]:
        yield _recurring(agent, *habit_of, taken, today)


# A title, how it recurs, and when; one agent in three has nothing of the kind.
RECURRING = (
    ("Temps partiel", "FREQ=WEEKLY;BYDAY=WE", _WHOLE_DAY[0]),
    ("Réunion de service", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", _MEETING[0]),
    None,
)


def _recurring(
    agent: dict[str, Any],
    title: str,
    rule: str,
    hours: tuple[datetime.time, datetime.time],
    taken: set[datetime.date],
    today: datetime.date,
) -> dict[str, Any]:
    """A weekly absence since some weeks and for most of a year, but for the days on which `agent` is out anyway."""
    weekday = 2 if rule.endswith("WE") else 1
    step = DAY * (14 if "INTERVAL" in rule else 7)
    first_day = today - DAY * (60 + (today.weekday() - weekday) % 7)
    while first_day.weekday() != weekday or first_day in taken:
        first_day += DAY
    until = today + 300 * DAY
    days = (first_day + number * step for number in range(1 + (until - first_day) // step))
    return {
        "agent_email": agent["email"],
        "title": title,
        "first_day": first_day.isoformat(),
        "start_time": hours[0].isoformat("minutes"),
        "end_time": hours[1].isoformat("minutes"),
        "rrule": f"{rule};UNTIL={until:%Y%m%d}",
        "exdates": [day.isoformat() for day in days if day in taken],
    }
