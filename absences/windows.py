"""Occurrences as they are shown: those of a window, with the offset of their zone, so many and no more (row A9)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.models.privacy import UNAVAILABLE
from rdv.api.errors import Invalid
from rdv.api.schema import DAY, INSTANT, Shape, array, flag, integer, nullable, text
from rdv.api.times import read_moment_of_any_zone

from .models import Absence
from .models.privacy import without_titles
from .recurrence import Occurrence, Series, occurrences

MOST = 1000  # of one absence
MOST_IN_A_LIST = 100  # of each absence of a page

# What is read of a row to know its occurrences, as they may be shown.
COLUMNS = (*Absence.SERIES, "hidden")

OCCURRENCE = Shape(
    "Occurrence",
    gettext_lazy("Une fois qu'une absence a lieu."),
    {
        "changed": flag(gettext_lazy("Si elle a quelque chose qui lui est propre.")),
        "day": DAY | {"description": gettext_lazy("Son premier jour d'après la règle : c'est ce qui la nomme.")},
        "ends_at": INSTANT,
        "starts_at": INSTANT | {"description": gettext_lazy("À l'heure de son fuseau.")},
        "title": text(gettext_lazy("Ce qu'elle est.")),
    },
)
META = Shape(
    "OccurrencesMeta",
    gettext_lazy("Ce qui en a été montré."),
    {
        "capped": flag(gettext_lazy("S'il y en a plus que ce qui est montré.")),
        "count": integer(gettext_lazy("Combien sont montrées.")),
        "from": nullable(text(gettext_lazy("Le début demandé."))),
        "limit": integer(gettext_lazy("Combien au plus.")),
        "message": nullable(text(gettext_lazy("Comment demander la suite, pour une personne."))),
        "next_from": nullable(INSTANT),
        "to": nullable(text(gettext_lazy("La fin demandée."))),
    },
)
LIST_META = Shape(
    "ListedOccurrencesMeta",
    gettext_lazy("Ce qui a été montré des occurrences."),
    {
        "capped": array(integer(), gettext_lazy("Les absences qui en ont plus que ce qui est montré.")),
        "limit": integer(gettext_lazy("Combien au plus de chaque absence.")),
        "message": nullable(text(gettext_lazy("Comment demander la suite, pour une personne."))),
    },
)


def series_of(values: Sequence[Any]) -> Series:
    """What `COLUMNS` say, as the reader may know it."""
    *columns, hidden = values
    if hidden:
        place = Absence.SERIES.index("overrides")
        columns[place], columns[-1] = without_titles(columns[place]), UNAVAILABLE
    return Series.of(*columns)


def wire_instant(moment: datetime.datetime) -> str:
    """An instant as resources show it, with the offset of its own zone: `2026-06-02 09:00:00 +0400`."""
    shown = moment.isoformat(" ", "seconds")
    return f"{shown[:19]} {shown[19:22]}{shown[23:25]}"


def render(one: Occurrence) -> dict[str, Any]:
    return {
        "changed": one.changed,
        "day": one.day.isoformat(),
        "ends_at": wire_instant(one.ends),
        "starts_at": wire_instant(one.starts),
        "title": one.title,
    }


@dataclass
class Window:
    """From when to when occurrences are asked for: instants, or civil times of each absence's zone; None: no bound."""

    start: datetime.datetime | None = None
    end: datetime.datetime | None = None
    # Of a list: the absences of which not all was shown.
    capped: list[int] = field(default_factory=list)

    @classmethod
    def asked(cls, params: Mapping[str, Any]) -> Window:
        """That of `from` and `to`. Raises Invalid (422) with all that cannot be read."""
        bounds: dict[str, datetime.datetime | None] = {}
        failures: dict[str, list[ValidationError]] = {}
        for name in ("from", "to"):
            sent = params.get(name)
            try:
                bounds[name] = (
                    None if sent in (None, "") else read_moment_of_any_zone(str(sent), end_of_day=name == "to")
                )
            except ValidationError as error:
                failures[name] = error.error_list
        if failures:
            raise Invalid(failures)
        return cls(bounds["from"], bounds["to"])

    def of(self, series: Series, limit: int) -> tuple[list[dict[str, Any]], Occurrence | None]:
        """The occurrences that overlap it, as they are shown; and the first that is too many."""
        found: Iterator[Occurrence] = occurrences(series, self.start, self.end)
        shown = [render(one) for _place, one in zip(range(limit), found, strict=False)]
        return shown, next(found, None) if len(shown) == limit else None

    def body(self, series: Series, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer that shows the occurrences of one absence."""
        shown, more = self.of(series, MOST)
        message = None
        if more:
            message = _("%(limit)s occurrences au plus par réponse : demandez la suite avec from=%(moment)s.") % {
                "limit": MOST,
                "moment": wire_instant(more.starts),
            }
        meta = {
            "capped": more is not None,
            "count": len(shown),
            "from": str(params["from"]) if params.get("from") else None,
            "limit": MOST,
            "message": message,
            "next_from": wire_instant(more.starts) if more else None,
            "to": str(params["to"]) if params.get("to") else None,
        }
        return {"occurrences": shown, "meta": meta}

    def in_list(self, id: int, series: Series) -> list[dict[str, Any]]:
        """The occurrences of one absence among others."""
        shown, more = self.of(series, MOST_IN_A_LIST)
        if more:
            self.capped.append(id)
        return shown

    def meta(self) -> dict[str, Any]:
        """What a list says of the occurrences that it shows."""
        message = None
        if self.capped:
            message = _(
                "%(limit)s occurrences au plus de chaque absence : réduisez la période (from, to), ou demandez"
                " /absences/:id/occurrences."
            ) % {"limit": MOST_IN_A_LIST}
        return {"capped": self.capped, "limit": MOST_IN_A_LIST, "message": message}
