"""CSV as spreadsheets write it (RFC 4180, and what is made of it): a line of names, then an absence a line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from rdv.api.folding import fold

from .items import TOO_MANY, Item, Sheet, Values

DELIMITERS = ";,\t|"
MOST_COLUMNS = 100
LONGEST_CELL = 10_000  # characters
SHOWN = 20  # names of ignored columns
LONGEST_NAME = 60

# By parameter, what a column may be called: without accents, case or signs.
COLUMNS = {
    "agent_id": ("agent_id", "id_agent", "numero_agent", "agent_number"),
    "agent_email": ("agent_email", "email_agent", "agent", "email", "e_mail", "mail", "courriel", "adresse_e_mail"),
    "agent_external_id": ("agent_external_id", "matricule", "agent_matricule", "matricule_agent"),
    "title": ("title", "titre", "libelle", "objet", "subject", "intitule"),
    "first_day": ("first_day", "premier_jour", "date_debut", "date_de_debut", "debut", "du", "jour", "start_date"),
    "start_time": ("start_time", "heure_debut", "heure_de_debut"),
    "end_day": ("end_day", "dernier_jour", "date_fin", "date_de_fin", "fin", "au", "end_date"),
    "end_time": ("end_time", "heure_fin", "heure_de_fin"),
    "organisation_id": ("organisation_id", "id_organisation", "organization_id"),
    "kind": ("kind", "genre", "nature", "type"),
    "private": ("private", "prive", "privee", "confidentiel"),
    "period": ("period", "periode", "demi_journee", "half_day"),
    "rrule": ("rrule", "repetition", "recurrence"),
    "exdates": ("exdates", "sauf", "exceptions"),
    "external_id": ("external_id", "identifiant", "id_externe", "reference", "uid"),
}
_PARAMETERS = {name: parameter for parameter, names in COLUMNS.items() for name in names}

# What people write in such a column, beside the API's own words.
_WORDS = {
    "kind": {
        "conges": "holiday",
        "conge": "holiday",
        "vacances": "holiday",
        "maladie": "sick",
        "arret maladie": "sick",
        "formation": "training",
        "autre": "other",
    },
    "period": {
        "matin": "morning",
        "apres-midi": "afternoon",
        "apres midi": "afternoon",
        "journee": "day",
        "jour": "day",
    },
    "private": {
        **dict.fromkeys(("oui", "vrai", "yes", "true", "1", "x"), True),
        **dict.fromkeys(("non", "faux", "no", "false", "0"), False),
    },
}
_FRENCH_DAY = re.compile(r"([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})")
_FRENCH_TIME = re.compile(r"([0-9]{1,2}) ?[hH] ?([0-9]{1,2})?")

NO_HEADER = _("doit nommer les colonnes, dont au moins premier_jour et titre")
TOO_WIDE = _("a trop de colonnes (pas plus de %(count)s)")
TWICE = _("est une colonne que le fichier a deux fois")
TOO_LONG = _("a plus de valeurs que le fichier n'a de colonnes")
BROKEN = _("n'est pas du CSV : un guillemet n'est pas fermé, ou suivi d'autre chose qu'un séparateur")
LONG_CELL = _("a une valeur trop longue (pas plus de %(count)s caractères)")


def read_table(text: str, limit: int, sheet: Sheet) -> Sheet:
    """What the table holds, at most `limit` lines of it, put on `sheet`."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first), strict=True)
    columns: list[str | None] | None = None
    names: dict[str, str] = {}
    timed = False
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            # Of a quote that is never closed, everything after it is one value; so that is where it began.
            if "limit" in str(error):
                sheet.refuse(line, "", LONG_CELL, "too_long", count=csv.field_size_limit())
            else:
                sheet.refuse(line, "", BROKEN)
            break
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            columns, names = _header(row, line, sheet)
            timed = bool({"start_time", "end_time", "period"} & names.keys())
            if sheet.refusals:
                break
            continue
        if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
            sheet.refuse(line, "", TOO_LONG)
            continue
        if any(len(cell) > LONGEST_CELL for cell in row):
            sheet.refuse(line, "", LONG_CELL, "too_long", count=LONGEST_CELL)
            continue
        if len(sheet.items) + len(sheet.refusals) >= limit:
            sheet.refuse(line, "", TOO_MANY, "too_many", count=limit)
            break
        sheet.items.append(_item(line, columns, names, row, timed=timed))
    if columns is None and not sheet.refusals:
        sheet.refuse(1, "", NO_HEADER)
    return sheet


def _delimiter(header: str) -> str:
    """The sign that is most often in the names of the columns, which hold none of them."""
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=unquoted.count)


def _header(row: Sequence[str], line: int, sheet: Sheet) -> tuple[list[str | None], dict[str, str]]:
    """The parameter of each column, None where it says nothing to us; and how the file calls each."""
    if len(row) > MOST_COLUMNS:
        sheet.refuse(line, "", TOO_WIDE, "too_many", count=MOST_COLUMNS)
        return [], {}
    columns: list[str | None] = []
    names: dict[str, str] = {}
    for cell in row:
        shown = cell.strip()[:LONGEST_NAME]
        word = re.sub(r"[^a-z0-9]+", "_", fold(shown)).strip("_")
        parameter = _PARAMETERS.get(word)
        if parameter in names:
            sheet.refuse(line, shown, TWICE, "taken")
        elif parameter:
            names[parameter] = shown
        elif shown and len(sheet.ignored) < SHOWN:
            sheet.ignored.append(shown)
        columns.append(parameter)
    if not {"first_day", "title"} <= names.keys():
        sheet.refuse(line, "", NO_HEADER)
    return columns, names


def _item(
    line: int, columns: Sequence[str | None], names: Mapping[str, str], row: Sequence[str], *, timed: bool
) -> Item:
    values: Values = {}
    for parameter, cell in zip(columns, row, strict=False):
        if parameter and cell.strip():
            values[parameter] = _value(parameter, cell.strip())
    if not timed:  # a file of days: whole ones
        values |= {"start_time": "00:00", "end_time": "23:59:59"}
    places = {parameter: (name, line) for parameter, name in names.items()}
    if "end_time" in places:
        places["ends_time"] = places["end_time"]
    elif "end_day" in places:
        places["ends_time"] = places["end_day"]
    if "external_id" in places:
        places["external_ids"] = places["external_id"]
    naming = (places.get(name) for name in ("agent_id", "agent_email", "agent_external_id"))
    places["agent"] = next(filter(None, naming), ("agent_email", line))
    uid = values.pop("external_id", None)
    agent_id, agent_email = values.pop("agent_id", None), values.pop("agent_email", None)
    called = values.pop("agent_external_id", None)
    return Item(line, lambda zone: dict(values), places, agent_id, agent_email, uid, agent_external_id=called)


def _value(parameter: str, cell: str) -> Any:
    """The cell as the API reads it; what is not understood stays, and is refused there in the API's words."""
    match parameter:
        case "first_day" | "end_day":
            return _day(cell)
        case "exdates":
            return [_day(day) for day in re.split(r"[\s,;|]+", cell) if day]
        case "start_time" | "end_time":
            french = _FRENCH_TIME.fullmatch(cell)
            return f"{french[1]}:{french[2] or '00'}" if french else cell
        case "kind" | "period" | "private":
            return _WORDS[parameter].get(fold(cell), cell)
    return cell


def _day(cell: str) -> str:
    french = _FRENCH_DAY.fullmatch(cell)
    return f"{french[3]}-{french[2]:0>2}-{french[1]:0>2}" if french else cell
