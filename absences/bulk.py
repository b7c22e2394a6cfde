"""Many absences in one request (row A14), and absences by the names that other systems gave them (row I12)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from agents.models.external import LONGEST_ID, LONGEST_SYSTEM, read_id, read_system
from rdv.api import asking
from rdv.api.conditional import PreconditionFailed, PreconditionRequired, refuse_stale
from rdv.api.errors import Forbidden, Invalid, NotFound, UnreadableBody, WireError
from rdv.api.fields import IdentifierField
from rdv.api.messages import blank, invalid
from rdv.api.models import KeptAnswer
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Operation, Parameter
from rdv.api.schema import any_of, array, choice, flag, named, text
from rdv.api.views import ResourceViewSet, RightsMoved

from .errors import BatchRefused, Overlaps
from .models import Absence
from .models.external import ExternalId
from .serializers import ABSENCE, NAMING_AGENT, AbsenceSerializer, with_warnings
from .shapes import COUNTS, NUMBERED, RESULTS, VERDICT
from .views import WHO, Absences
from .writing import CREATED, REFUSED, UNCHANGED, Verdict, Wanted, Writing

MOST = 1000  # absences in a request

NO_LIST = _("n'est pas une liste")
NO_OBJECT = _("n'est pas un objet")
NOFLAG = _("n'est ni true ni false")
TOO_MANY = _("demande trop d'absences (pas plus de %(count)s par requête)")
NOBODY = _("ne désigne aucun agent que vous voyez")
EITHER = _("ne va pas avec periods : donnez l'un ou l'autre")


def read_flag(params: Mapping[str, Any], name: str) -> bool:
    """Whether `name` is asked for. Raises Invalid (422)."""
    value = params.get(name)
    if value in (None, ""):
        return False
    known = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if known is None:
        raise Invalid({name: [invalid(value if isinstance(value, str | int) else None, NOFLAG)]})
    return known


class _Undone(Exception):
    """A dry run has said what there is to say."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Writes(ResourceViewSet):
    """What the writes of this module share: they judge and write by `Writing`, then look again."""

    group = Absences.group
    resource = "absences"
    model = Absence
    representation = ABSENCE
    serializer_class = AbsenceSerializer
    expansions = Absences.expansions
    traced_by = ("agent_id",)

    def shown_again(self, rows: Collection[Absence]) -> dict[int, dict[str, Any]]:
        """With the caller's rights held: what they are shown of these rows, by number."""
        self._hold_rights()
        wanted = {row.pk for row in rows}
        columns = self.asked.reading.columns
        visible = Absence.objects.visible_to(self.request.user).filter(pk__in=wanted).for_wire()
        found = {pk: row for pk, *row in visible.values_list("pk", *columns)} if wanted else {}
        if found.keys() != wanted:
            raise RightsMoved
        return dict(zip(found, self._shown([tuple(row) for row in found.values()]), strict=True))


class BulkView(_Writes):
    """Lists of verdicts: of a body of absences, and of a file."""

    def carry_out(
        self,
        wanted: Sequence[Wanted],
        *,
        atomic: bool,
        dry_run: bool,
        place: Callable[[int], str],
        tell: Callable[[Sequence[Verdict]], Mapping[str, Any]] = lambda verdicts: {},
        unread: Mapping[str, WireError] = MappingProxyType({}),
    ) -> Response:
        """What became of each, done once, or with `dry_run` undone again. `tell`: what the answer has beside that;
        `unread`: of what was sent, by its place, that which cannot be read, so that nothing of it may be done.
        """

        def work() -> Response:
            writing = Writing(self.request, strict=self.handling == "strict")
            writing.judge(wanted)
            more = tell(writing.verdicts)
            if atomic and (unread or any(verdict.error for verdict in writing.verdicts)):
                self._hold_rights()
                raise self._refused(writing.verdicts, place, unread, dry_run=dry_run, **more)
            writing.write()
            body = self._told(writing.verdicts, atomic=atomic, dry_run=dry_run) | dict(more)
            return Response(body, status=200 if atomic else 207)

        def undone() -> Response:
            try:
                with transaction.atomic():
                    raise _Undone(work())
            except _Undone as done:
                return done.response

        return self._once(undone if dry_run else work)

    def _told(self, verdicts: Sequence[Verdict], *, atomic: bool, dry_run: bool) -> dict[str, Any]:
        shown = self.shown_again({id(one.row): one.row for one in verdicts if one.row is not None}.values())
        told = []
        for index, verdict in enumerate(verdicts):
            if verdict.error is not None:
                body = verdict.error.body()
            else:
                absence = dict(shown[verdict.row.pk])  # type: ignore[union-attr]
                if dry_run and verdict.row is not None and verdict.row.version == 1 and verdict.result != UNCHANGED:
                    absence |= {name: None for name in NUMBERED if name in absence}
                warnings = [one.shown() for one in verdict.warnings]
                body = {"absence": absence} | ({"warnings": warnings} if warnings else {})
            told.append({"index": index, "status": verdict.status, "result": verdict.result, "body": body})
        return {"verdicts": told, "meta": _meta(verdicts, atomic=atomic, dry_run=dry_run)}

    @staticmethod
    def _refused(
        verdicts: Sequence[Verdict],
        place: Callable[[int], str],
        unread: Mapping[str, WireError],
        *,
        dry_run: bool,
        **more: Any,
    ) -> BatchRefused:
        told = [
            {"index": index, "status": verdict.status, "result": verdict.result}
            | ({"body": verdict.error.body()} if verdict.error else {})
            for index, verdict in enumerate(verdicts)
        ]
        refused = {place(index): one.error for index, one in enumerate(verdicts) if one.error is not None}
        meta = _meta(verdicts, atomic=True, dry_run=dry_run)
        return BatchRefused({**unread, **refused}, verdicts=told, meta=meta, **more)

    def replay(self, kept: KeptAnswer) -> Response:
        """A kept answer is that of many rows: given again to who still sees the agents of all of them."""
        answer = super().replay(kept)
        told = answer.data.get("verdicts", ()) if answer.status_code < 300 and answer.data else ()
        bodies = [one["body"]["absence"] for one in told if "absence" in one.get("body", ())]
        agents = {one["agent"]["id"] for one in bodies if "agent" in one}
        if len(bodies) and not agents:  # only some keys were asked for
            ids = {one["id"] for one in bodies if one.get("id")}
            seen = Absence.objects.visible_to(self.request.user).filter(pk__in=ids).count() == len(ids)
        else:
            seen = Agent.objects.visible_to(self.request.user).filter(pk__in=agents).count() == len(agents)
        ids = {one["id"] for one in bodies if one.get("id")}
        withheld = Absence.objects.known_by(self.request.user).filter(pk__in=ids, hidden=1)
        if not seen or withheld.exists():
            raise self._forbidden()
        return answer


def _meta(verdicts: Sequence[Verdict], *, atomic: bool, dry_run: bool) -> dict[str, Any]:
    counts = {result: sum(one.result == result for one in verdicts) for result in RESULTS}
    return {"total": len(verdicts), "atomic": atomic, "dry_run": dry_run} | counts


_PERIODS = {
    "type": "object",
    "description": _("Les paramètres d'une création, sauf l'agent."),
    "additionalProperties": True,
}
_ITEM = {"type": "object", "description": _("Les paramètres d'une création."), "additionalProperties": True}
_IDS = {"type": "array", "items": IdentifierField.schema}
FLAG = any_of(flag(), choice("true", "false"))
ATOMIC = Parameter("atomic", _("Tout ou rien : 200 si toutes conviennent, sinon 422, rien n'étant fait."), FLAG, "body")
DRY_RUN = Parameter("dry_run", _("Dire ce qui serait fait, sans rien écrire."), FLAG, "body")
SELECTING = (
    Parameter("agent_ids", _("Les agents absents, par leur identifiant."), _IDS, "body"),
    Parameter("agent_emails", _("Les agents absents, par leur adresse."), array(text()), "body"),
    Parameter(
        "agent_external_ids",
        _("Les agents absents, par ce que d'autres systèmes les appellent, système:identifiant."),
        array(text(example="rh:A-17")),
        "body",
    ),
    Parameter(
        "agents_of_organisation_id",
        _("Tous les agents de cette organisation que l'on voit."),
        IdentifierField.schema,
        "body",
    ),
    Parameter(
        "agents_of_service_id", _("Tous les agents de ce service que l'on voit."), IdentifierField.schema, "body"
    ),
)


class BulkAbsences(BulkView):
    """`POST /absences/bulk`: N agents times M periods, or a list of whole absences; in the order of the request."""

    operations = {
        "bulk": Described(
            _("Créer beaucoup d'absences"),
            _(
                "Soit des agents et des périodes (`periods`) : chaque agent, dans l'ordre, est absent à chacune ; soit "
                "une liste d'absences entières (`absences`). Ce qui est donné à côté vaut pour toutes celles qui n'en "
                "disent rien. Chacune est jugée comme si elle venait seule ; les autres sont créées."
            ),
            WHO,
            parameters=(
                *SELECTING,
                Parameter("periods", _("Les périodes."), array(_PERIODS, maxItems=MOST), "body"),
                Parameter("absences", _("Les absences, entières."), array(_ITEM, maxItems=MOST), "body"),
                ATOMIC,
                DRY_RUN,
            ),
            examples=(
                Example(
                    _("Une formation de deux matinées, pour deux agents, à blanc"),
                    {
                        "agent_ids": [1, 2],
                        "title": "Formation",
                        "start_time": "09:00",
                        "end_time": "12:30",
                        "periods": [{"first_day": "2026-12-10"}, {"first_day": "2026-12-11"}],
                        "dry_run": True,
                    },
                ),
            ),
            limits=_("1 000 absences par requête."),
        )
    }

    def bulk(self, request: Request) -> Response:
        self.params.refuse_unread_body()
        if asking.asks(self.params.in_address, asking.OF_ANY):
            self._ask_of_one()
        atomic, dry_run = read_flag(self.params, "atomic"), read_flag(self.params, "dry_run")
        wanted = self._wanted()
        name = "periods" if "periods" in self.params else "absences"
        return self.carry_out(wanted, atomic=atomic, dry_run=dry_run, place=lambda index: f"{name}[{index}]")

    def _wanted(self) -> list[Wanted]:
        """Raises Invalid (422) when it is no list of absences at all."""
        parameters = {one.name for one in AbsenceSerializer.described_parameters(creating=True)}
        common = {name: self.params[name] for name in parameters if name in self.params}
        periods, whole = self.params.get("periods"), self.params.get("absences")
        if whole not in (None, "") and periods not in (None, ""):
            raise Invalid({"absences": [ValidationError(EITHER, code="invalid")]})
        name = "periods" if periods not in (None, "") else "absences"
        items = periods if name == "periods" else whole
        if items in (None, "", []):
            raise Invalid({name: [blank()]})
        if not isinstance(items, list):
            raise Invalid({name: [invalid(items if isinstance(items, str | int) else None, NO_LIST)]})
        if name == "absences":
            self._refuse_too_many(name, len(items))
            return [_one(common, item) for item in items]
        agents = self._agents(common)
        self._refuse_too_many(name, len(items) * len(agents))
        alone = {key: value for key, value in common.items() if key not in NAMING_AGENT}
        return [_one(alone, item, agent) for agent in agents for item in items]

    @staticmethod
    def _refuse_too_many(name: str, count: int) -> None:
        if count > MOST:
            raise Invalid({name: [ValidationError(TOO_MANY, code="too_many", params={"count": MOST})]})

    def _agents(self, common: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Whom the request names, each once: by number, by address, by name, by organisation and service. Raises
        Invalid.
        """
        named: dict[tuple[str, Any], None] = {}
        for parameter, plural in ((parameter, f"{parameter}s") for parameter in NAMING_AGENT):
            values = self.params.get(plural)
            if values not in (None, "") and not isinstance(values, list):
                raise Invalid({plural: [invalid(values if isinstance(values, str | int) else None, NO_LIST)]})
            if values and len(values) > MOST:
                self._refuse_too_many(plural, len(values))
            for value in [*(values or ()), *([common[parameter]] if common.get(parameter) not in (None, "") else ())]:
                if isinstance(value, str | int):
                    named[parameter, value] = None
                else:
                    raise Invalid({plural: [invalid(None)]})
        places = {name: self.params.get(f"agents_of_{name}_id") for name in ("organisation", "service")}
        if any(value not in (None, "") for value in places.values()):
            agents = Agent.objects.visible_to(self.request.user)
            if (value := places["organisation"]) not in (None, ""):
                agents = agents.filter(roles__organisation=leading_integer(value))
            if (value := places["service"]) not in (None, ""):
                agents = agents.filter(services=leading_integer(value))
            numbers = {leading_integer(value) for kind, value in named if kind == "agent_id"}
            for pk in agents.order_by("pk").values_list("pk", flat=True)[: MOST + 1]:
                if pk not in numbers:
                    named["agent_id", pk] = None
        if not named:
            raise Invalid({"agent_ids": [blank(NOBODY)]})
        return [{name: value} for name, value in named]

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        own = {one.name for one in operation.described.parameters}
        for one in AbsenceSerializer.described_parameters(creating=True):
            if one.name not in own:
                yield Parameter(one.name, one.about, one.schema, "body")
        yield from asking.parameters(cls, "retrieve")
        yield from super().described_parameters(operation)

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        return described_verdicts(ABSENCE.example)

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        yield from (UnreadableBody(), Forbidden())
        yield Invalid({"absences": [blank()]})
        yield BATCH_EXAMPLE
        yield from super().described_errors(operation)


def described_verdicts(example: Callable[[], Any]) -> dict[int, Answer]:
    body = named({"verdicts": array(VERDICT), "meta": COUNTS})

    def shown(*, atomic: bool) -> Any:
        verdict = {"index": 0, "status": 200, "result": CREATED, "body": {"absence": example()}}
        return {"verdicts": [verdict], "meta": _meta([Verdict(CREATED)], atomic=atomic, dry_run=False)}

    return {
        200: Answer(_("Toutes conviennent (`atomic`)."), body, lambda: shown(atomic=True)),
        204: Answer(
            _("C'est fait ; rien de plus, comme `Prefer` le demandait."),
            headers={"Preference-Applied": _("Ce qui a été préféré, et suivi.")},
        ),
        207: Answer(_("Un verdict pour chacune (RFC 4918)."), body, lambda: shown(atomic=False)),
    }


_NOT_TAKEN = Verdict(REFUSED, error=Invalid({"first_day": [blank()]}))
BATCH_EXAMPLE = BatchRefused(
    {"absences[0]": Invalid({"first_day": [blank()]})},
    verdicts=[{"index": 0, "status": 422, "result": REFUSED}],
    meta=_meta([_NOT_TAKEN], atomic=True, dry_run=False),
)


def _one(common: Mapping[str, Any], item: Any, agent: Mapping[str, Any] | None = None) -> Wanted:
    if not isinstance(item, dict):
        failure = invalid(item if isinstance(item, str | int | float) else None, NO_OBJECT)
        return Wanted({}, unreadable=Invalid({"base": [failure]}))
    own = common
    if agent is None and not item.keys().isdisjoint(NAMING_AGENT):
        own = {name: value for name, value in common.items() if name not in NAMING_AGENT}
    return Wanted({**own, **item, **(agent or {})})


SYSTEM = Parameter(
    "system",
    _("Le système qui nomme l'absence : minuscules, chiffres, points et tirets."),
    text(pattern=r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$", maxLength=LONGEST_SYSTEM, example="rh"),
    place="path",
    required=True,
)
EXTERNAL_ID = Parameter(
    "external_id",
    _("Son identifiant dans ce système."),
    text(minLength=1, maxLength=LONGEST_ID, example="A-2026-17"),
    place="path",
    required=True,
)
BY_NAME = (SYSTEM, EXTERNAL_ID)


class AbsencesByName(_Writes):
    """`/absences/by-external-id/:system/:external_id`: an absence by the name that another system gave it."""

    operations = {
        "retrieve": Described(
            _("Montrer une absence par son identifiant externe"),
            _("Celle à qui un autre système a donné cet identifiant, dans un territoire où l'on a un rôle."),
            WHO,
            name="show_by_external_id",
            parameters=BY_NAME,
            examples=(Example(_("Celle du système rh"), {"system": "rh", "external_id": "A-2026-17"}),),
        ),
        "upsert": Described(
            _("Créer ou modifier une absence par son identifiant externe"),
            _(
                "Envoyée deux fois, la même demande ne fait qu'une absence, et la seconde ne change rien : "
                "`meta.result` le dit. Supprimée depuis, l'absence est créée de nouveau, sous un autre numéro."
            ),
            WHO,
            name="upsert",
            parameters=BY_NAME,
            errors=(NotFound("agent"),),
            examples=(
                Example(
                    _("Une journée de RTT"),
                    {
                        "system": "rh",
                        "external_id": "A-2026-17",
                        "agent_email": "martine@demo.rdv-solidarites.fr",
                        "title": "RTT",
                        "first_day": "2026-12-18",
                        "start_time": "08:00",
                        "end_time": "18:00",
                    },
                ),
            ),
        ),
        "destroy": Described(
            _("Supprimer une absence par son identifiant externe"),
            _("L'identifiant est libre de nouveau."),
            WHO,
            name="delete_by_external_id",
            parameters=BY_NAME,
            examples=(Example(_("Celle du système rh"), {"system": "rh", "external_id": "A-2026-17"}),),
        ),
    }

    def retrieve(self, request: Request, system: str, external_id: str) -> Response:  # type: ignore[override]
        self._ask_of_one()
        return self._answer(self._row(self._number(system, external_id)))

    def upsert(self, request: Request, system: str, external_id: str) -> Response:
        self.params.refuse_unread_body()
        name = self._name(system, external_id)
        if asking.asks(self.params.in_address, asking.OF_ANY):
            self._ask_of_one()
        return self._once(lambda: self._upsert(name))

    def destroy(self, request: Request, system: str, external_id: str) -> Response:  # type: ignore[override]
        return self._once(lambda: self._destroy(self._instance(str(self._number(system, external_id)))))

    def _destroy(self, instance: Absence) -> Response:
        return self._delete(instance)

    def _name(self, system: str, external_id: str) -> tuple[str, str]:
        failures = {}
        for parameter, read, value in (("system", read_system, system), ("external_id", read_id, external_id)):
            try:
                read(value)
            except ValidationError as error:
                failures[parameter] = error.error_list
        if failures:
            raise Invalid(failures)
        return system, read_id(external_id)

    def _number(self, system: str, external_id: str) -> int:
        """Of those of this name, in the territories where the caller has a role, one in sight, else any; 0 for none."""
        name, value = self._name(system, external_id)
        named = ExternalId.objects.visible_to(self.request.user).filter(system=name, value=value)
        visible = Q(agent__in=Agent.objects.visible_to(self.request.user))
        found = Absence.objects.filter(pk__in=named.values("absence")).order_by("pk")
        seen = found.filter(visible).values_list("pk", flat=True).first()
        return seen or found.values_list("pk", flat=True).first() or 0

    def _refuse(self, row: Absence) -> None:
        """Of one that is there: who sends `If-None-Match: *` wanted to create it (RFC 9110 13.1.2)."""
        if self.request.META.get("HTTP_IF_NONE_MATCH", "").strip() == "*":
            raise PreconditionFailed
        refuse_stale(self.request, row)

    def _upsert(self, name: tuple[str, str]) -> Response:
        params = {key: value for key, value in self.params.items() if key not in ("system", "external_id")}
        writing = Writing(
            self.request,
            strict=self.handling == "strict",
            refuse_stale=self._refuse,
        )
        (verdict,) = writing.judge([Wanted(params, name)])
        if verdict.error is not None:
            self._hold_rights()
            raise verdict.error
        if verdict.result == CREATED:
            refuse_stale(self.request)
        writing.write()
        row = verdict.row
        self.written = row
        self._hold_rights()
        response = self._answer(self._row(row.pk))  # type: ignore[union-attr]
        if verdict.warnings:
            response.data["warnings"] = [one.shown() for one in verdict.warnings]
        response.data["meta"] = {"result": verdict.result}
        if verdict.result == CREATED:
            response["Location"] = f"{self.base}/api/v1/absences/{row.pk}"  # type: ignore[union-attr]
        return response

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        if operation.action == "upsert":
            for one in AbsenceSerializer.described_parameters(creating=True):
                # Of an absence that is there already only what is sent is changed.
                yield Parameter(one.name, one.about, one.schema, "body")
            yield from asking.parameters(cls, "retrieve")
        yield from super().described_parameters(operation)

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        answers = dict(super().described_answers(operation))
        if operation.action == "upsert":
            body = with_warnings(answers[200].body)
            result = choice(*RESULTS[:-1], about=_("Ce qui a été fait."))
            body = {**body, "properties": {**body["properties"], "meta": named({"result": result})}}
            body["required"] = [*body["required"], "meta"]
            answers[200] = Answer(
                _("Telle qu'elle est maintenant."),
                body,
                lambda: {"absence": ABSENCE.example(), "meta": {"result": CREATED}},
                {"Location": _("Son adresse, si elle vient d'être créée.")},
                sometimes=("Location",),
            )
            applied = {"Preference-Applied": _("Ce qui a été préféré, et suivi.")}
            answers[204] = Answer(
                _("C'est fait ; rien de plus, comme `Prefer` le demandait."),
                headers=applied | {"Location": _("Son adresse, si elle vient d'être créée.")},
                sometimes=("Location",),
            )
        return answers

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        wrong = Invalid({"system": [invalid("RH !")]})
        yield wrong
        if operation.action == "upsert":
            yield from (Overlaps([31]), UnreadableBody(), Forbidden(), PreconditionRequired())
        yield from super().described_errors(operation)
