"""Absences that were deleted: what there is of them, and how they come back (row A19)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents import shapes
from agents.models.privacy import UNAVAILABLE
from agents.serializers import SAMPLE_AGENT, render_agent
from rdv.api.conditional import PreconditionFailed, refuse_stale
from rdv.api.described import DescribedView
from rdv.api.errors import Forbidden, Invalid, NotFound, WireError
from rdv.api.filters import IdFilter, InstantFilter, WireFilters
from rdv.api.idempotency import BadKey, InProgress, Reused
from rdv.api.messages import MUST_EXIST, blank
from rdv.api.narrowing import NarrowedAlike
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Operation
from rdv.api.renderers import Representation
from rdv.api.schema import DAY, INSTANT, TIME, Shape, any_of, choice, flag, integer, named, nullable, text
from rdv.api.times import wire_datetime
from rdv.api.views import ResourceViewSet

from .errors import AlreadyThere, Overlaps
from .models import Absence, DeletedAbsence, Kind, Overlapping, Period
from .models.overlaps import strictly
from .serializers import ABSENCE, with_warnings
from .views import WHO, Absences

COLUMNS = (
    "absence_id",
    *("agent_id", "agent__email", "agent__first_name", "agent__inclusion_connect_open_id_sub", "agent__last_name"),
    *("kept", "version", "reason", "deleted", "deleted_by", "hidden"),
)


def render_deleted(
    id: int,
    agent_id: int,
    agent_email: str | None,
    agent_first_name: str | None,
    agent_open_id: str | None,
    agent_last_name: str | None,
    kept: dict[str, Any],
    version: int,
    reason: str,
    deleted: int,
    deleted_by: int | None,
    hidden: int,
) -> dict[str, Any]:
    """What there is of it; the arguments are `COLUMNS`. `hidden`: its reader may know no more than when it was."""
    return {
        "id": id,
        "agent": render_agent(agent_id, agent_email, agent_first_name, agent_open_id, agent_last_name),
        "deleted_at": wire_datetime(datetime.datetime.fromtimestamp(deleted, datetime.UTC)),
        "deleted_by": deleted_by,
        "end_day": kept["end_day"],
        "end_time": kept["end_time"],
        "first_day": kept["first_day"],
        "kind": None if hidden else kept["kind"],
        "organisation_id": kept["organisation_id"],
        "period": None if hidden else kept["period"] or None,
        "private": kept["private"],
        "reason": None if hidden else reason or None,
        "rrule": f"{kept['rrule']};" if kept["rrule"] else None,
        "start_time": kept["start_time"],
        "time_zone": kept["time_zone"],
        "title": UNAVAILABLE if hidden else kept["title"],
        "version": version,
    }


SHAPE = Shape(
    "DeletedAbsence",
    _("Ce qui reste d'une absence supprimée."),
    {
        "id": integer(_("Son identifiant.")),
        "agent": shapes.AGENT,
        "deleted_at": INSTANT,
        "deleted_by": nullable(integer(_("L'agent qui l'a supprimée ; null quand c'est un programme."))),
        "end_day": DAY,
        "end_time": TIME,
        "first_day": DAY,
        "kind": nullable(choice(*Kind.values, about=_("Son genre ; null pour qui ne doit pas le savoir."))),
        "organisation_id": nullable(integer(_("L'organisation pour laquelle elle valait."))),
        "period": nullable(choice(*Period.values, about=_("La partie de la journée demandée au lieu d'heures."))),
        "private": flag(_("Si seuls l'agent et les administrateurs savent ce qu'elle est.")),
        "reason": nullable(text(_("Pourquoi elle a été supprimée."))),
        "rrule": nullable(text(_("Sa répétition (RFC 5545)."))),
        "start_time": TIME,
        "time_zone": text(_("Le fuseau dans lequel ses jours et ses heures s'entendent."), example="Europe/Paris"),
        "title": text(_("Ce qu'elle était.")),
        "version": integer(_("Grandit encore, quand elle est rétablie.")),
    },
)
_SAMPLE = {
    "end_day": "2026-12-10",
    "end_time": "12:30:00",
    "first_day": "2026-12-10",
    "kind": "training",
    "organisation_id": None,
    "period": "",
    "private": False,
    "rrule": "",
    "start_time": "09:00:00",
    "time_zone": "Europe/Paris",
    "title": "Formation",
}
DELETED = Representation(
    "deleted_absence",
    "deleted_absences",
    COLUMNS,
    lambda base, *row: render_deleted(*row),
    SHAPE,
    (7, *SAMPLE_AGENT, _SAMPLE, 2, "Saisie deux fois", 1794819600, 1, 0),
)


class DeletedFilters(WireFilters):
    """Each narrows the list; together they are combined with "and"."""

    agent_id = IdFilter(field_name="agent_id", help_text=_("De cet agent."))
    deleted_since = InstantFilter(field_name="deleted_at", lookup_expr="gte", help_text=_("Supprimées alors ou après."))

    class Meta:
        model = DeletedAbsence
        fields = ()


class DeletedAbsences(NarrowedAlike, ResourceViewSet):
    """`/absences/deleted`."""

    group = Absences.group
    operations = {
        "list": Described(
            _("Lister les absences supprimées"),
            _("Celles des agents que l'on voit, la dernière supprimée d'abord, tant qu'elles sont gardées."),
            WHO,
            name="list_deleted",
            limits=_("100 par page. Gardées 90 jours, sauf si le serveur en a décidé autrement."),
            examples=(Example(_("Toutes"), {}),),
        )
    }
    resource = "absences"
    model = DeletedAbsence
    representation = DELETED
    filters = DeletedFilters


class RestoredAbsences(Absences):
    """`/absences/:id/restore`."""

    operations = {
        "restore": Described(
            _("Rétablir une absence supprimée"),
            _("Sous son identifiant, avec une version de plus. Elle est jugée comme une création."),
            WHO,
            name="restore",
            answers={
                200: Answer(
                    _("L'absence, telle qu'elle est de nouveau."),
                    with_warnings(named({"absence": any_of(ABSENCE.shape, ABSENCE.shape.in_part)})),
                    lambda: {"absence": ABSENCE.example()},
                ),
                204: Answer(
                    _("C'est fait ; rien de plus, comme `Prefer` le demandait."),
                    headers={"Preference-Applied": _("Ce qui a été préféré, et suivi.")},
                ),
            },
            examples=(Example(_("La première"), {"id": 1}),),
        )
    }

    def restore(self, request: Request, pk: str) -> Response:
        self._ask_of_one()
        return self._once(lambda: self._restore(leading_integer(pk)))

    def _restore(self, pk: int) -> Response:
        refuse_stale(self.request)
        gone = DeletedAbsence.objects.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
        if gone is None:
            self._row(pk)  # 404, or 403
            raise AlreadyThere
        try:
            with strictly(self.handling == "strict"):
                self.written = gone.restore()
        except Overlapping as refusal:
            self._hold_sight(gone)
            raise Overlaps(refusal.ids) from None
        except ValidationError as failure:
            self._hold_sight(gone)  # of an agent who has left, nobody
            raise Invalid(failure.error_dict) from None
        self._hold_rights()
        return self._answer(self._row(self.written.pk))

    def _hold_sight(self, gone: DeletedAbsence) -> None:
        """Why it does not come back is told to who sees its agent alone. Raises the 403."""
        self._hold_rights()
        if not self.in_sight_still(Absence(agent_id=gone.agent_id)):
            raise self._forbidden() from None

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        return operation.described.answers

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        yield from (NotFound("absence"), Forbidden(), AlreadyThere(), Overlaps([31]), PreconditionFailed())
        yield from (BadKey(), Reused(), InProgress(), Invalid({"agent": [blank(MUST_EXIST)]}))
        yield from DescribedView.described_errors.__func__(cls, operation)
