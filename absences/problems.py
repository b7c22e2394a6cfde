"""What can go wrong with an absence."""

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid
from rdv.api.problems import Problem

from .bulk import MOST, TOO_MANY
from .errors import Overlaps
from .kinds import GIVEN_WITH_PERIOD, NOT_YOURS, ON_HOLIDAY, ONE_DAY
from .models import Absence, AbsencePolicy
from .writing import OTHER_AGENT


def _absence(**values: datetime.date) -> Absence:
    """One with something wrong."""
    days = {"first_day": datetime.date(2026, 12, 23), "end_day": datetime.date(2026, 12, 24)} | values
    return Absence(start_time=datetime.time(9), end_time=datetime.time(18), **days)


def _recurring(rrule: str, **values: datetime.date) -> Absence:
    """One that comes again, with something wrong."""
    days = {"first_day": datetime.date(2026, 12, 23), "end_day": datetime.date(2026, 12, 23)} | values
    return Absence(start_time=datetime.time(9), end_time=datetime.time(18), rrule=rrule, **days)


def _failure(name: str, sentence: Any, code: str) -> Invalid:
    return Invalid({name: [ValidationError(sentence, code=code)]})


PROBLEMS = (
    Problem(
        "recurrence_starts_elsewhere",
        422,
        _("Récurrence d'un autre jour"),
        _(
            "Le premier jour n'est pas un jour de la récurrence : un lundi ne commence pas ce qui a lieu le mardi. De "
            "même quand le premier jour d'une absence qui se répète change sans que sa règle soit dite de nouveau."
        ),
        _("Donnez un premier jour qui suive la règle, ou envoyez rrule avec le nouveau premier jour."),
        of_a_value=True,
        example=lambda: Invalid.about(_recurring("FREQ=WEEKLY;BYDAY=MO")),
    ),
    Problem(
        "recurrence_ends_too_early",
        422,
        _("Récurrence finie avant de se répéter"),
        _("Le dernier jour de la récurrence (UNTIL) n'est pas après le premier jour de l'absence."),
        _("Donnez un UNTIL plus tardif, ou rien : une absence d'une fois n'a pas de récurrence."),
        of_a_value=True,
        example=lambda: Invalid.about(_recurring("FREQ=DAILY;UNTIL=20261223T000000")),
    ),
    Problem(
        "recurrence_of_several_days",
        422,
        _("Récurrence de plusieurs jours"),
        _("Une absence qui se répète finit le jour où elle commence."),
        _("Répétez-la chaque jour (FREQ=DAILY), ou déposez une absence par période."),
        of_a_value=True,
        example=lambda: Invalid.about(_recurring("FREQ=MONTHLY", end_day=datetime.date(2026, 12, 24))),
    ),
    Problem(
        "ends_before_start",
        422,
        _("Fin avant le début"),
        _("L'absence finirait avant de commencer, ou au même instant."),
        _("Donnez un dernier jour et une heure de fin qui soient après le début."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(end_day=datetime.date(2026, 12, 1))),
    ),
    Problem(
        "given_with_period",
        422,
        _("Des heures en plus d'une partie de la journée"),
        _("period dit déjà quand l'absence commence et finit ; les heures envoyées sont autres."),
        _("Envoyez period, ou start_time et end_time."),
        of_a_value=True,
        example=lambda: _failure("start_time", GIVEN_WITH_PERIOD, "given_with_period"),
    ),
    Problem(
        "half_of_one_day",
        422,
        _("Une demi-journée sur plusieurs jours"),
        _("Un matin ou un après-midi ne peut pas finir un autre jour."),
        _("Demandez une journée (period: day), ou créez une absence pour chaque partie."),
        of_a_value=True,
        example=lambda: _failure("end_day", ONE_DAY, "half_of_one_day"),
    ),
    Problem(
        "noon_outside_day",
        422,
        _("Midi hors de la journée"),
        _("La matinée finirait avant de commencer, ou l'après-midi après la fin de la journée."),
        _("Donnez morning_starts, noon et day_ends dans cet ordre."),
        of_a_value=True,
        example=lambda: Invalid.about(AbsencePolicy(noon=datetime.time(20))),
    ),
    Problem(
        "already_there",
        409,
        _("L'absence n'est pas supprimée"),
        _("On ne rétablit que ce qui est supprimé ; quelqu'un l'a peut-être déjà rétablie."),
        _("Lisez-la : GET /absences/:id."),
    ),
    Problem(
        "not_yours",
        422,
        _("Ce n'est pas à vous d'en décider"),
        _("L'absence est confidentielle, et vous savez seulement que l'agent n'est pas là."),
        _("Demandez à l'agent, ou à un administrateur de son organisation."),
        of_a_value=True,
        example=lambda: _failure("private", NOT_YOURS, "not_yours"),
    ),
    Problem(
        "on_holiday",
        422,
        _("Un jour férié"),
        _("L'organisation n'accepte pas de demi-journée d'absence un jour férié : personne n'y travaille."),
        _("Choisissez un autre jour. GET /holidays donne les jours fériés de l'organisation."),
        of_a_value=True,
        example=lambda: _failure("first_day", format_lazy(ON_HOLIDAY, holiday="Noël"), "on_holiday"),
    ),
    Problem(
        "too_far_ahead",
        422,
        _("Trop loin dans l'avenir"),
        _("Une date est dans plus de cinq ans : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(end_day=datetime.date(9999, 12, 24))),
    ),
    Problem(
        "too_long_ago",
        422,
        _("Trop loin dans le passé"),
        _("Une date est avant 2018 : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(first_day=datetime.date(1926, 12, 23))),
    ),
    Problem(
        "full_sync_required",
        410,
        _("Jeton de synchronisation sans suite"),
        _(
            "Aucune liste de changements ne mène de ce que vous avez à ce qu'il y a : le jeton est trop ancien, d'une "
            "autre base de données ou d'une autre version, ou ce que vous avez le droit de voir a changé."
        ),
        _("Oubliez ce que vous avez, et relisez tout sans jeton ; la fin de cette lecture en donne un nouveau."),
    ),
    Problem(
        "absence_overlaps",
        409,
        _("Absences qui se chevauchent"),
        _("L'agent est déjà absent à ce moment, et une de ses organisations n'accepte pas deux absences à la fois."),
        _("Regardez les absences nommées par `absence_ids` : modifiez-en une, ou choisissez un autre moment."),
        example=lambda: Overlaps([31]),
    ),
    Problem(
        "too_many",
        422,
        _("Trop d'éléments"),
        _("Une liste ou un fichier contient plus d'éléments que ce qui est accepté en une fois."),
        _("Envoyez-les en plusieurs fois."),
        of_a_value=True,
        example=lambda: Invalid({"absences": [ValidationError(TOO_MANY, code="too_many", params={"count": MOST})]}),
    ),
    Problem(
        "other_agent",
        422,
        _("Un autre agent"),
        _("L'absence qui porte cet identifiant externe est celle d'un autre agent que celui qui est nommé."),
        _("Supprimez-la, puis créez-la pour l'autre agent ; ou donnez-lui un autre identifiant."),
        of_a_value=True,
        example=lambda: Invalid({"agent": [ValidationError(OTHER_AGENT, params={"problem": "other_agent"})]}),
    ),
    Problem(
        "period_too_long",
        422,
        _("Période trop longue"),
        _("La période dépasse ce que l'on peut demander à la fois ; « count » dit combien de jours."),
        _("Faites plusieurs requêtes, une par période."),
        of_a_value=True,
    ),
)
