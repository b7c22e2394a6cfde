"""Absences: list, show, create, update, delete (contract 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.expansions import ORGANISATIONS_OF_AGENTS, SERVICES_OF_AGENTS, TERRITORY_OF_ORGANISATIONS
from agents.models import Agent
from rdv.api.asking import Asked
from rdv.api.described import LIST_HEADERS
from rdv.api.errors import Invalid, NotFound, WireError
from rdv.api.messages import not_among
from rdv.api.models import KeptAnswer
from rdv.api.narrowing import NarrowedAlike
from rdv.api.pagination import META, PAGE_SIZE, Fetch, Page, Reading
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Group, Operation
from rdv.api.registry import Parameter as Sent
from rdv.api.schema import Shape, any_of, array, choice, named
from rdv.api.selecting import Selection
from rdv.api.statements import Parameter, Statement
from rdv.api.views import ResourceViewSet

from . import listing
from .errors import Overlaps
from .filters import AGAIN, AbsenceFilters
from .models import Absence, DeletedAbsence, Overlapping
from .models.overlaps import hold_agent_of, strictly
from .serializers import ABSENCE, AbsenceSerializer, with_warnings
from .windows import COLUMNS, LIST_META, Window, series_of

_AGENT_IN_SIGHT = Statement(
    lambda: (
        Agent.objects.visible_to(Agent.to_come())
        .filter(pk=Parameter("pk", models.BigIntegerField()))
        .order_by()
        .values_list("pk")
    )
)


# The parameters that move an absence.
TIMES = frozenset({"first_day", "start_time", "end_day", "end_time", "period", "rrule", "exdates"})

WHO = _("Qui voit un agent peut gérer ses absences.")


LISTED = Answer(
    _("Une page de la liste."),
    named(
        {
            "absences": array(any_of(ABSENCE.shape, ABSENCE.shape.in_part)),
            "meta": Shape(
                "AbsencesMeta",
                META.about,
                {**META.properties, "occurrences": LIST_META},
                optional=(*META.optional, "occurrences"),
            ),
        }
    ),
    lambda: {"absences": [ABSENCE.example()], "meta": Page((), 1, PAGE_SIZE, 1).meta()},
    LIST_HEADERS,
    sometimes=("Link",),
)


WITH_OCCURRENCES = ("true", "false")


class Absences(NarrowedAlike, ResourceViewSet):
    group = Group("absences", _("Absences"), _("Les périodes pendant lesquelles un agent n'est pas là."))
    operations = {
        "list": Described(
            _("Lister les absences"),
            _("Celles des agents que l'on voit, le premier jour le plus tardif d'abord. Les filtres se combinent."),
            WHO,
            parameters=(
                Sent(
                    "occurrences",
                    _("`true` : avec chaque absence, ses occurrences de la période de from à to, 100 au plus."),
                    choice(*WITH_OCCURRENCES, ""),
                ),
            ),
            answers={200: LISTED},
            limits=_("100 par page."),
            examples=(
                Example(_("Toutes"), {}),
                Example(
                    _("Les occurrences de décembre"), {"from": "2026-12-01", "to": "2026-12-31", "occurrences": "true"}
                ),
                Example(_("Les congés de décembre"), {"from": "2026-12-01", "to": "2026-12-31", "title": "congés"}),
            ),
        ),
        "create": Described(
            _("Créer une absence"),
            _(
                "L'agent est nommé par agent_id, par agent_email ou par agent_external_id. Tout ce qui ne va pas est "
                "dit en une fois."
            ),
            WHO,
            errors=(NotFound("agent"),),
            examples=(
                Example(
                    _("Une matinée de formation"),
                    {
                        "agent_email": "martine@demo.rdv-solidarites.fr",
                        "title": "Formation",
                        "first_day": "2026-12-10",
                        "start_time": "09:00",
                        "end_time": "12:30",
                    },
                ),
            ),
        ),
        "retrieve": Described(
            _("Montrer une absence"),
            _("Ce qu'elle est, son calendrier compris."),
            WHO,
            examples=(Example(_("La première"), {"id": 1}),),
        ),
        "update": Described(
            _("Modifier une absence"),
            _("Ce qui n'est pas envoyé reste tel quel ; PUT et PATCH font la même chose. L'agent ne change pas."),
            WHO,
            examples=(Example(_("La prolonger"), {"id": 1, "end_day": "2027-01-04"}),),
        ),
        "destroy": Described(
            _("Supprimer une absence"),
            _("Elle est gardée un temps, et peut être rétablie. reason, aussi dans le corps, dit pourquoi."),
            WHO,
            examples=(Example(_("La première"), {"id": 1}),),
        ),
    }
    resource = "absences"
    model = Absence
    representation = ABSENCE
    serializer_class = AbsenceSerializer
    filters = AbsenceFilters
    traced_by = ("agent_id",)
    # Whether the agent of what is changed is locked before it.
    _hold_agent = False
    sorts = {
        "id": "id",
        "title": "shown_title",
        "first_day": "first_day",
        "start_time": "start_time",
        "end_day": "end_day",
        "end_time": "end_time",
        "created_at": "created_at",
        "updated_at": "updated_at",
    }
    searched = ("title", "agent.email", "agent.first_name", "agent.last_name")
    expansions = {
        "agent.services": SERVICES_OF_AGENTS,
        "agent.organisations": ORGANISATIONS_OF_AGENTS,
        "organisation.territory": TERRITORY_OF_ORGANISATIONS,
    }

    # What of the occurrences a list shows, when it is asked to.
    window: Window | None = None

    def list(self, request: Request) -> Response:
        wanted = self.params.get("occurrences") or "false"
        if wanted not in WITH_OCCURRENCES:
            raise Invalid({"occurrences": [not_among(wanted, WITH_OCCURRENCES)]})
        if wanted == "true":
            self.window = Window.asked(self.params)
        answer = super().list(request)
        if self.window:
            answer.data["meta"]["occurrences"] = self.window.meta()
        return answer

    def widened(self, asked: Asked) -> Asked:
        """With the columns of which the occurrences are made, where they are asked for."""
        window, selection = self.window, asked.selection
        if window is None:
            return asked
        columns = tuple(dict.fromkeys((*selection.columns, "id", *COLUMNS)))
        width, place = len(selection.columns), [columns.index(name) for name in ("id", *COLUMNS)]

        def render(base: str, *row: Any) -> dict[str, Any]:
            pk, *values = (row[number] for number in place)
            shown = selection.render(base, *row[:width])
            return shown | {"occurrences": window.in_list(pk, series_of(values))}

        wider = Selection(columns, render, selection.expansions, selection.without)
        return replace(asked, reading=Reading(columns, asked.reading.order), selection=wider)

    def replay(self, kept: KeptAnswer) -> Response:
        """As usual; to who may know less of a private absence than when it was answered, as it is now, or nothing."""
        answer = super().replay(kept)
        if kept.row is None or answer.data is None:
            return answer
        by = self.request.user
        for row in (Absence.objects.known_by(by), DeletedAbsence.objects.known_by(by)):
            hidden = row.filter(pk=kept.row).order_by().values_list("hidden", flat=True).first()
            if hidden:
                answer.data = self._answer(self._row(kept.row)).data
            if hidden is not None:
                break
        return answer

    def reason_given(self, request: Request) -> str:
        """A deletion may say it in a body too: there is no row to be."""
        said = super().reason_given(request)
        return said or (self.params.text("reason") or "" if self.action == "destroy" else "")

    def fetch_visible(self, start: int, size: int, key: Sequence[Any] | None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        return listing.fetch(self.request.user, self.asked.reading, start, size, key)

    def fetch_narrowed(self, values: Mapping[str, Any], words: Sequence[str] | None) -> Fetch:
        """Of a period, those that recur are looked at first, each by itself: one more query."""
        if "from" in values or "to" in values:
            again = listing.recurring(self, values, words or ())
            values = {**values, AGAIN: again} if again else values
        return super().fetch_narrowed(values, words)

    @classmethod
    def as_shown_to(cls, caller: Any) -> models.QuerySet[Absence]:
        return Absence.objects.known_by(caller).for_wire()

    def in_sight_still(self, row: Absence) -> bool:
        return any(_AGENT_IN_SIGHT.run(pk=row.agent_id, **self.request.user.reach.values()))

    def update(self, request: Request, pk: str) -> Response:
        self._hold_agent = not TIMES.isdisjoint(self.params)
        return super().update(request, pk)

    partial_update = update

    def _instance(self, pk: str) -> Any:
        if self._hold_agent:
            hold_agent_of(leading_integer(pk))
        return super()._instance(pk)

    def _save(self, serializer: Any) -> Response:
        """Where organisations want that, an absence that overlaps another one is refused, which is told to who sees the
        agent, and to nobody else.
        """
        save = super()._save
        return self._told_of_overlaps(lambda: save(serializer), lambda: serializer.row)

    def _told_of_overlaps(self, work: Callable[[], Response], row: Callable[[], Absence]) -> Response:
        try:
            with strictly(self.handling == "strict"):
                return work()
        except Overlapping as refusal:
            self._hold_rights()
            if not self.in_sight_still(row()):
                raise self._forbidden() from None
            raise Overlaps(refusal.ids) from None

    def _answer(self, row: tuple[Any, ...]) -> Response:
        answer = super()._answer(row)
        if self.written is not None and (told := [*self.written.noticed, *self.written.warnings]):
            answer.data["warnings"] = [one.shown() for one in told]
        return answer

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        answers = dict(super().described_answers(operation))
        if operation.action in ("create", "update"):
            body: Any = answers[200].body
            answers[200] = replace(answers[200], body=with_warnings(body))
        return answers

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        if operation.action in ("create", "update"):
            yield Overlaps([31])
        yield from super().described_errors(operation)
