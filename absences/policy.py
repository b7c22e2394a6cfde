"""What an organisation decided about the absences of its agents, by API: one object beside the organisation."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent, Organisation
from agents.serializers import FlagField
from rdv.api.conditional import refuse_stale
from rdv.api.errors import RecordNotFound
from rdv.api.fields import ChoiceField, TextField, TimeField
from rdv.api.messages import invalid
from rdv.api.parsers import leading_integer
from rdv.api.registry import Described, Example, Group
from rdv.api.renderers import Representation
from rdv.api.schema import TIME, Shape, any_of, array, choice, flag, integer, text
from rdv.api.serializers import WireSerializer
from rdv.api.views import ResourceViewSet

from .holidays import names
from .models import AbsencePolicy, Kind, OnHoliday, Overlap

FIELDS = (
    *("day_ends", "excluded_holidays", "morning_starts", "noon", "on_holiday", "overlap", "private_kinds"),
    "public_holidays",
)
COLUMNS = ("id", *(f"absence_policy__{name}" for name in FIELDS), "absence_policy__version")


def render_policy(id: int, *values: Any) -> dict[str, Any]:
    """The AbsencePolicy object; the arguments are `COLUMNS`, null where the organisation has none: the defaults."""
    *values_, version = values
    shown: dict[str, Any] = {"organisation_id": id}
    for name, value in zip(FIELDS, values_, strict=True):
        told = value if version is not None else AbsencePolicy._meta.get_field(name).get_default()
        shown[name] = told.isoformat("seconds") if isinstance(told, datetime.time) else told
    return shown


SHAPE = Shape(
    "AbsencePolicy",
    _("Ce qu'une organisation a décidé des absences de ses agents. De plusieurs, la plus stricte compte."),
    {
        "organisation_id": integer(_("L'organisation.")),
        "day_ends": TIME,
        "excluded_holidays": array(text(), _("Les jours fériés où l'on y travaille, par leur nom français.")),
        "morning_starts": TIME,
        "noon": TIME,
        "on_holiday": choice(*OnHoliday.values, about=_("Ce que devient une demi-journée un jour férié.")),
        "overlap": choice(*Overlap.values, about=_("Ce que devient une absence qui en chevauche une autre.")),
        "private_kinds": array(choice(*Kind.values), _("Les genres d'absence toujours confidentiels.")),
        "public_holidays": flag(_("Si l'on n'y travaille pas les jours fériés.")),
    },
)
POLICY = Representation(
    "absence_policy",
    "absence_policies",
    COLUMNS,
    lambda base, *row: render_policy(*row),
    SHAPE,
    (
        *(1, datetime.time(18, 30), ["Lundi de Pentecôte"], datetime.time(8), datetime.time(12, 30), "warn", "refuse"),
        *(["sick"], True, 1),
    ),
)


class NamesField(TextField):
    """A list of names, each once; in a form, one text with commas. Null or empty: none."""

    def __init__(self, known: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = any_of(array(choice(*known), maxItems=1000), text())

    def to_internal_value(self, data: Any) -> list[str]:
        parts = data.split(",") if isinstance(data, str) else data
        if not isinstance(parts, list) or len(parts) > 1000 or not all(isinstance(part, str) for part in parts):
            raise invalid(data)
        return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


class PolicySerializer(WireSerializer):
    """What is not sent stays; null and "" stand for the default."""

    model = AbsencePolicy

    morning_starts = TimeField(help_text=_("Quand commence la matinée."))
    noon = TimeField(help_text=_("Quand la matinée finit et l'après-midi commence."))
    day_ends = TimeField(help_text=_("Quand finit la journée."))
    overlap = ChoiceField(
        Overlap.values,
        help_text=_("Une absence qui en chevauche une autre : acceptée, acceptée et dite, réunie à elle, refusée."),
    )
    private_kinds = NamesField(Kind.values, help_text=_("Les genres dont les absences sont toujours confidentielles."))
    public_holidays = FlagField(help_text=_("Si l'on n'y travaille pas les jours fériés de son département."))
    excluded_holidays = NamesField(
        names(), help_text=_("Les jours fériés où l'on y travaille quand même, par leur nom français.")
    )
    on_holiday = ChoiceField(
        OnHoliday.values, help_text=_("Une demi-journée un jour férié : acceptée, acceptée et dite, refusée.")
    )

    def assign(self, row: AbsencePolicy, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        told = {
            name: AbsencePolicy._meta.get_field(name).get_default() if value is None and name not in failures else value
            for name, value in values.items()
        }
        super().assign(row, told, failures)


class Policies(ResourceViewSet):
    """`/organisations/:id/absence_policy`: there for each organisation, as rows for those that changed something."""

    group = Group(
        "absence_policy", _("Règles d'absence"), _("Ce qu'une organisation a décidé des absences de ses agents.")
    )
    operations = {
        "retrieve": Described(
            _("Montrer les règles d'absence d'une organisation"),
            _("Celles qu'elle a choisies, et pour le reste celles par défaut."),
            _("Qui voit l'organisation."),
            examples=(Example(_("De la première"), {"id": 1}),),
        ),
        "update": Described(
            _("Modifier les règles d'absence d'une organisation"),
            _("Ce qui n'est pas envoyé reste tel quel ; null redonne la valeur par défaut. Les absences restent."),
            _("Un administrateur de cette organisation."),
            examples=(
                Example(_("Travailler le lundi de Pentecôte"), {"id": 1, "excluded_holidays": ["Lundi de Pentecôte"]}),
            ),
        ),
    }
    resource = "organisations"
    model = Organisation
    representation = POLICY
    serializer_class = PolicySerializer

    @classmethod
    def changeable_by(cls, agent: Agent) -> QuerySet[Organisation]:
        return Organisation.objects.updatable_by(agent)

    @classmethod
    def not_found(cls, pk: int) -> RecordNotFound:
        return RecordNotFound("organisation", pk)

    def update(self, request: Request, pk: str) -> Response:
        self.params.refuse_unread_body()
        self._ask_of_one()
        return self._once(lambda: self._change(leading_integer(pk)))

    partial_update = update

    def _change(self, pk: int) -> Response:
        self._in_sight("change", pk, self._locked, ("id",))  # of two who write the first row, one after the other
        policy = AbsencePolicy.objects.filter(organisation=pk).first()
        refuse_stale(self.request, SimpleNamespace(pk=pk, version=policy.version if policy else 0))
        serializer = self._serializer(policy or AbsencePolicy(organisation_id=pk))
        serializer.is_valid(raise_exception=True)
        serializer.save()
        self.written = Organisation(pk=pk)
        self._hold_rights()
        return self._answer(self._row(pk))

    def _row(self, pk: int) -> tuple[Any, ...]:
        row = self._in_sight("show", pk, Organisation.objects.for_wire, COLUMNS)
        self.row_version = f"{pk}.{row[-1] or 0}"
        return row
