"""Results: a table for people; JSON, CSV or a line of JSON each for programs. Always on the standard output."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from .words import escaped, harmless, say

WIDEST = 36  # characters of a cell whose table has no room for all
Row = Mapping[str, Any]


class Output:
    """Writes what one command found. `columns`: those of the description, for CSV; `fields`: those asked for."""

    def __init__(
        self, kind: str, stream: TextIO, environment: Mapping[str, str], columns: Sequence[str], fields: Sequence[str]
    ) -> None:
        self.kind, self.stream, self.environment = kind, stream, environment
        self.columns, self.fields = columns, fields
        self.left_out: list[str] = []  # columns for which a table had no room

    def one(self, body: Any) -> None:
        """An answer that is one thing."""
        thing = unwrapped(body)
        if self.kind == "json":
            self._json(enveloped(body, picked(thing, self.fields)) if isinstance(thing, dict) else body)
        elif not isinstance(thing, dict):
            self._json(thing)
        elif self.kind == "table":
            flat = {name: at(thing, name) for name in self.fields} if self.fields else thing
            self._pairs(flat)
        else:
            self._rows([thing])

    def rows(self, name: str, rows: Iterable[Row], meta: Any, *, walked: bool) -> None:
        """A list, as its rows come; `walked`: over several pages, so that the page's own `meta` says nothing."""
        if self.kind == "json":
            found = [picked(row, self.fields) for row in rows]
            self._json({name: found, "meta": {"count": len(found)} if walked else meta})
        elif self.kind == "table":
            self._table(list(rows))
        else:
            self._rows(rows)

    def _rows(self, rows: Iterable[Row]) -> None:
        if self.kind == "ndjson":
            for row in rows:
                self.stream.write(escaped(json.dumps(picked(row, self.fields), ensure_ascii=False)) + "\n")
            return
        columns = self.fields or self.columns
        writer = csv.writer(self.stream, lineterminator="\n")
        first = True
        for row in rows:
            if first:
                columns = columns or list(row)
                writer.writerow(columns)
                first = False
            cells = [_cell(at(row, column)) for column in columns]
            writer.writerow([harmless(str(cell)) for cell in cells] if self.stream.isatty() else cells)
        if first and columns:
            writer.writerow(columns)

    def _json(self, value: Any) -> None:
        self.stream.write(escaped(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")

    def _console(self) -> Any:
        from rich.console import Console

        plain = "NO_COLOR" in self.environment
        system = None if plain else "auto"
        return Console(file=self.stream, width=self._width(), color_system=system, highlight=False)  # type: ignore[arg-type]

    def _width(self) -> int:
        return shutil.get_terminal_size((120, 24)).columns

    def _pairs(self, thing: Row) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in thing.items():
            table.add_row(Text(harmless(name)), Text(harmless(_long(value))))
        self._console().print(table)

    def _table(self, rows: list[Row]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        columns = list(self.fields) or self._fitting(rows)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(Text(column), overflow="ellipsis" if not self.fields else "fold", no_wrap=not self.fields)
        for row in rows:
            table.add_row(*(Text(" ".join(harmless(label(at(row, column))).split("\n"))) for column in columns))
        if rows:
            self._console().print(table)

    def _fitting(self, rows: list[Row]) -> list[str]:
        """The columns for which there is room, from the left; those without value, or of whole texts, are left out."""
        room, chosen = self._width(), []
        for column in sorted(rows[0], key=_weight) if rows else []:
            cells = [label(row.get(column)) for row in rows]
            if not any(cells) or any("\n" in cell or "\r" in cell for cell in cells):
                continue
            width = max(len(column), min(WIDEST, max(map(len, cells)))) + 3
            if width <= room:
                room -= width
                chosen.append(column)
            else:
                self.left_out.append(column)
        return chosen


def _weight(column: str) -> int:
    """What a person looks for first: what it is; and last, how it is kept."""
    if column == "id":
        return 0
    if column in ("title", "name", "email", "first_name", "last_name", "state"):
        return 1
    return 3 if column in ("url", "version") or column.endswith(("_at", "_uid")) else 2


def unwrapped(body: Any) -> Any:
    """The thing itself, of an answer that names it: `{"absence": {…}}`."""
    if isinstance(body, dict) and len(body) == 1:
        only = next(iter(body.values()))
        return only if isinstance(only, dict) else body
    return body


def enveloped(body: Any, thing: Any) -> Any:
    return {next(iter(body)): thing} if unwrapped(body) is not body else thing


def at(row: Any, path: str) -> Any:
    """The value at a path with dots; None when it leads nowhere."""
    for step in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(step)
    return row


def picked(row: Row, fields: Sequence[str]) -> Row:
    """The row with those fields alone, nested as they were."""
    if not fields:
        return row
    result: dict[str, Any] = {}
    for path in fields:
        inner = result
        *steps, last = path.split(".")
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[last] = at(row, path)
    return result


def label(value: Any) -> str:
    """A value in a few words."""
    match value:
        case None:
            return ""
        case bool():
            return say("oui", "yes") if value else say("non", "no")
        case dict():
            person = " ".join(str(value[key]) for key in ("first_name", "last_name") if value.get(key))
            names = (value.get("name"), value.get("title"), person, value.get("email"), value.get("id"))
            known = (str(name) for name in names if isinstance(name, str | int) and name != "")
            return next(known, ", ".join(value))
        case list():
            return ", ".join(map(label, value))
    return str(value)


def _long(value: Any) -> str:
    """A value in full, for a table of one thing."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {label(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return "\n".join(json.dumps(one, ensure_ascii=False) for one in value)
    return label(value)


def _cell(value: Any) -> Any:
    """A value in a column of CSV: what is not flat as JSON."""
    match value:
        case None:
            return ""
        case bool() | dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return value
