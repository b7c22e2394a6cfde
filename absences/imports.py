"""`POST /absences/import`: the absences of a file, all of them or none (row A23)."""

from __future__ import annotations

import datetime
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext_lazy as _
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent, AgentExternalId
from agents.models.external import read_id, read_system
from rdv.api.errors import Forbidden, Invalid, MalformedRequest, UnreadableBody, WireError
from rdv.api.fields import IdentifierField
from rdv.api.messages import blank, not_among
from rdv.api.parsers import OtherBodyParser, StrictJSONParser, WireFormParser, leading_integer, read_whole
from rdv.api.registry import Answer, Described, Example, Operation, Parameter
from rdv.api.schema import array, choice, named, text

from .bulk import BATCH_EXAMPLE, DRY_RUN, FLAG, MOST, BulkView, described_verdicts, read_flag
from .importing import Item, Refusal, Sheet, decoded, read_calendar, read_table
from .models import Absence, Kind
from .models.external import ExternalId
from .recurrence import Change, Series, read
from .serializers import ABSENCE, NAMING_AGENT
from .shapes import COUNTS, IGNORED, LEFT_OUT, LINES, REFUSALS, VERDICT
from .views import WHO
from .writing import Verdict, Wanted

CSV, ICS = "csv", "ics"
TYPES = {"text/csv": CSV, "text/calendar": ICS}
ICAL, TABLE = "ical", "csv"  # the systems of the ids that files give
# Of a file that does not say it: what holds for each absence of it.
COMMON = (*NAMING_AGENT, "organisation_id", "kind", "private")

_day = datetime.date.fromisoformat

OUTSIDE = _("change une occurrence qui n'est pas de la série : %(value)s")
BACKWARDS = _("finit avant de commencer : %(value)s")


class Upload(bytes):
    """A file, with the format that its type or its name says; "" when neither does."""

    format = ""

    @classmethod
    def of(cls, content: bytes, media_type: str = "", name: str = "") -> Upload:
        upload = cls(content)
        known = TYPES.get(media_type.partition(";")[0].strip().lower(), "")
        upload.format = known or next((one for one in (CSV, ICS) if name.lower().endswith(f".{one}")), "")
        return upload


class _FileParser(BaseParser):
    """A body that is the file."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return {"file": Upload.of(read_whole(stream, parser_context), media_type or "")}


class CSVParser(_FileParser):
    media_type = "text/csv"


class CalendarParser(_FileParser):
    media_type = "text/calendar"


class UploadParser(MultiPartParser):
    """A form with a file, which need not be UTF-8."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = read_whole(stream, parser_context)
        boundary = parse_header_parameters(media_type or "")[1].get("boundary", "")
        if not boundary or f"--{boundary}--".encode() not in body:
            raise MalformedRequest
        parsed = super().parse(io.BytesIO(body), media_type, parser_context)
        found = {name: values[-1] for name, values in parsed.data.lists() if values}
        upload = parsed.files.get("file")
        if upload is not None:
            found["file"] = Upload.of(upload.read(), upload.content_type or "", upload.name or "")
        return found


class ImportAbsences(BulkView):
    parser_classes = (
        StrictJSONParser,
        CSVParser,
        CalendarParser,
        UploadParser,
        WireFormParser,
        OtherBodyParser,
    )
    operations = {
        "import_file": Described(
            _("Importer un fichier d'absences"),
            _(
                "Un tableau (CSV : une ligne de noms de colonnes, en français ou ceux de l'API, puis une absence par "
                "ligne ; virgules ou points-virgules ; UTF-8 ou Windows-1252) ou un calendrier (iCalendar), envoyé tel "
                "quel, dans un formulaire, ou comme texte dans du JSON. Tout est pris, ou rien : chaque défaut est dit "
                "avec sa ligne, sa colonne et sa raison. Importé deux fois, le même fichier ne change rien la seconde."
            ),
            WHO,
            name="import",
            parameters=(
                Parameter(
                    "file",
                    _("Le contenu du fichier."),
                    text(contentMediaType="text/csv", maxLength=1024 * 1024),
                    "body",
                    required=True,
                ),
                Parameter("format", _("Ce qu'est le fichier, quand rien ne le dit."), choice(CSV, ICS, ""), "body"),
                DRY_RUN,
                Parameter("agent_id", _("L'agent, là où le fichier n'en nomme pas."), IdentifierField.schema, "body"),
                Parameter(
                    "agent_email", _("L'agent, par son adresse, là où le fichier n'en nomme pas."), text(), "body"
                ),
                Parameter(
                    "agent_external_id",
                    _("L'agent, par ce qu'un autre système l'appelle, là où le fichier n'en nomme pas."),
                    text(example="rh:A-17"),
                    "body",
                ),
                Parameter(
                    "organisation_id",
                    _("L'organisation pour laquelle les absences valent, là où le fichier n'en nomme pas."),
                    IdentifierField.schema,
                    "body",
                ),
                Parameter("kind", _("Le genre, là où le fichier n'en dit pas."), choice(*Kind.values, ""), "body"),
                Parameter("private", _("Si elles sont confidentielles, là où le fichier ne le dit pas."), FLAG, "body"),
                Parameter(
                    "system",
                    _("Le système des identifiants et des matricules d'un tableau : csv quand rien n'est dit."),
                    text(example="rh"),
                    "body",
                ),
            ),
            examples=(
                Example(
                    _("Deux lignes d'un tableau, à blanc"),
                    {
                        "file": "agent;titre;premier jour;dernier jour\n"
                        "martine@demo.rdv-solidarites.fr;Congés;23/12/2026;31/12/2026\n"
                        "martine@demo.rdv-solidarites.fr;RTT;15/01/2027;15/01/2027\n",
                        "dry_run": True,
                    },
                ),
            ),
            limits=_("1 000 absences par fichier ; 1 000 défauts de lecture dits un par un."),
        )
    }

    def import_file(self, request: Request) -> Response:
        self.params.refuse_unread_body()
        dry_run = read_flag(self.params, "dry_run")
        sheet, format = self._sheet()
        system = self._system() if format == CSV else ICAL
        wanted = [self._wanted(item, system, format) for item in sheet.items]
        if format == ICS:
            self._share(wanted)
        lines = [item.line for item in sheet.items]

        def tell(verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
            found = [*map(_told, sheet.refusals), *chain.from_iterable(map(_reasons, sheet.items, verdicts))]
            refusals = sorted(found, key=lambda one: one["line"])
            return {
                "refusals": refusals,
                "refusals_left_out": sheet.left_out,
                "lines": lines,
                "ignored_columns": sheet.ignored,
            }

        return self.carry_out(
            wanted,
            atomic=True,
            dry_run=dry_run,
            place=lambda index: f"lines[{lines[index]}]",
            tell=tell,
            unread=_unread(sheet),
        )

    def _sheet(self) -> tuple[Sheet, str]:
        """What was read of the file. Raises Invalid (422) when there is none."""
        file, format = self.params.get("file"), self.params.get("format") or ""
        if isinstance(file, str):
            file = Upload(file.encode())
        if not isinstance(file, Upload) or not file.strip():
            raise Invalid({"file": [blank()]})
        if format not in ("", CSV, ICS):
            raise Invalid({"format": [not_among(format if isinstance(format, str) else None, (CSV, ICS))]})
        sheet = Sheet()
        content = decoded(file, sheet)
        format = format or file.format
        if content is None:
            return sheet, format or CSV
        begins = content.lstrip("\ufeff \t\r\n")[:15].upper()
        format = format or (ICS if begins == "BEGIN:VCALENDAR" else CSV)
        return (read_calendar if format == ICS else read_table)(content, MOST, sheet), format

    def _system(self) -> str:
        system = self.params.get("system")
        if system in (None, ""):
            return TABLE
        try:
            return read_system(str(system))
        except ValidationError as error:
            raise Invalid({"system": error.error_list}) from None

    def _wanted(self, item: Item, system: str, format: str) -> Wanted:
        params = {name: self.params[name] for name in COMMON if self.params.get(name) not in (None, "")}
        called = item.agent_external_id
        if called and ":" not in called:
            called = f"{system}:{called}"
        own = {"agent_id": item.agent_id, "agent_email": item.agent_email, "agent_external_id": called}
        # Of a calendar, whoever sends it knows better than its events whose it is.
        if any(own.values()) and not (format == ICS and own.keys() & params.keys()):
            params = {key: value for key, value in params.items() if key not in own}
            params |= {key: value for key, value in own.items() if value}
        name = None
        if item.uid is not None:
            try:
                name = (system, read_id(item.uid))
            except ValidationError as error:
                return Wanted(params, unreadable=Invalid({"external_ids": error.error_list}))
        overrides = item.overrides
        return Wanted(
            params,
            name,
            late=lambda zone: _without_strange_days(item.values(zone)),
            once=True,
            finish=(lambda row: _override(row, overrides(row.time_zone))) if overrides else None,
        )

    def _share(self, wanted: Sequence[Wanted]) -> None:
        """An event that several agents have is under its UID once for each of them."""
        uids = {one.name[1] for one in wanted if one.name}
        if not uids:
            return
        agents = self._numbers(wanted)
        named = ExternalId.objects.visible_to(self.request.user).filter(system=ICAL, value__in=uids)
        whose: dict[str, set[int | None]] = {}
        for value, agent in named.values_list("value", "absence__agent"):
            whose.setdefault(value, set()).add(agent)
        for one in wanted:
            agent = agents.get(str(next((one.params[name] for name in NAMING_AGENT if one.params.get(name)), "")))
            if one.name and agent is not None and agent not in whose.get(one.name[1], {agent}):
                one.name = (ICAL, f"{one.name[1][:230]}#{agent}")

    def _numbers(self, wanted: Collection[Wanted]) -> dict[str, int]:
        """The numbers of the agents who are named, by what names them."""
        ids = {str(one.params["agent_id"]) for one in wanted if one.params.get("agent_id")}
        emails = {one.params["agent_email"] for one in wanted if isinstance(one.params.get("agent_email"), str)}
        found = Agent.objects.visible_to(self.request.user).filter(
            Q(pk__among=[leading_integer(one) for one in ids]) | Q(email__in=emails)
        )
        names = {name for one in wanted if isinstance(name := one.params.get("agent_external_id"), str)}
        called = AgentExternalId.objects.known_by(self.request.user).called(names) if names else {}
        numbers = {one: leading_integer(one) for one in ids}
        numbers |= {name: agent for name, agents in called.items() for agent in agents if len(agents) == 1}
        return numbers | {email: pk for pk, email in found.values_list("pk", "email") if email in emails}

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        answers = described_verdicts(ABSENCE.example)
        body = named(
            {
                "verdicts": array(VERDICT),
                "meta": COUNTS,
                "refusals": REFUSALS,
                "refusals_left_out": LEFT_OUT,
                "lines": LINES,
                "ignored_columns": IGNORED,
            }
        )
        told = answers[200].example

        def shown() -> Any:
            example = told() if told else {}
            return example | {"refusals": [], "refusals_left_out": 0, "lines": [2], "ignored_columns": []}

        return {200: Answer(_("Toutes sont prises."), body, shown), 204: answers[204]}

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        yield from (UnreadableBody(), Forbidden())
        yield Invalid({"file": [blank()]})
        yield BATCH_EXAMPLE
        yield from super().described_errors(operation)


def _unread(sheet: Sheet) -> dict[str, WireError]:
    """What cannot be read, by its line."""
    found: dict[str, dict[str, list[ValidationError]]] = {}
    for one in sheet.refusals:
        found.setdefault(f"lines[{one.line}]", {}).setdefault(one.field or "base", []).append(one.failure)
    return {place: Invalid(failures) for place, failures in found.items()}


def _told(refusal: Refusal) -> dict[str, Any]:
    ((_attribute, _name, code, reason),) = Invalid({"file": [refusal.failure]}).reasons()
    return {"line": refusal.line, "field": refusal.field, "error": code, "reason": reason}


def _reasons(item: Item, verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Why an item is not taken, where the file has it."""
    error = verdict.error
    if isinstance(error, Invalid):
        for attribute, name, code, reason in error.reasons():
            field, line = item.place(name if name in item.places else attribute)
            yield {"line": line, "field": field, "error": code, "reason": reason}
    elif error is not None:
        about = error.status_code in (403, 404)
        field, line = item.place("agent") if about else ("", item.line)
        yield {"line": line, "field": field, "error": error.code, "reason": error.sentence()}


def _without_strange_days(values: dict[str, Any]) -> dict[str, Any]:
    """Exceptions for days that a series does not have, which calendars leave behind, change nothing."""
    if values.get("rrule") and values.get("exdates"):
        try:
            day, rule = _day(values["first_day"]), read(values["rrule"])[0]
            values["exdates"] = [one for one in values["exdates"] if any(rule.days(day, _day(one), _day(one)))]
        except (ValidationError, ValueError):
            pass  # told by who reads the rule
    return values


def _override(row: Absence, overrides: Mapping[str, Mapping[str, str]]) -> None:
    """Give a series what is other of some of its occurrences. Raises ValidationError."""
    series = row.series
    for day, kept in overrides.items():
        change = Change.of(kept)
        if not any(series.days(_day(day), _day(day))):
            raise ValidationError({"overrides": [ValidationError(OUTSIDE, code="invalid", params={"value": day})]})
        changed = Series(
            series.first_day, series.start_time, series.end_day, series.end_time, overrides={_day(day): change}
        )
        first, start, last, end, _title = changed.civil(_day(day))
        if (first, start) >= (last, end):
            raise ValidationError({"overrides": [ValidationError(BACKWARDS, code="invalid", params={"value": day})]})
    row.overrides = {day: dict(kept) for day, kept in sorted(overrides.items()) if kept} or None
