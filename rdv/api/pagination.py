"""Pages of at most 100, numbered or walked by cursor (contract 1.6; `Link` as in RFC 8288)."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.exceptions import ValidationError
from django.db.models import DateField, Field, QuerySet, TimeField
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from .errors import Invalid
from .messages import invalid
from .parsers import MAX_ID
from .schema import Shape, integer, nullable, text
from .sorting import Order

PAGE_SIZE = 100
# The largest integer that every JSON reader keeps exact (RFC 8259 section 6).
MAX_PAGE = 2**53 - 1
# Of all the headers of an answer, nginx holds 4 kB where nobody told it otherwise.
MAX_LINKS = 3000


META = Shape(
    "Meta",
    _("Où l'on est dans la liste."),
    {
        "current_page": nullable(integer(_("Le numéro de cette page ; null dans un parcours."))),
        "next_page": nullable(integer(_("Celui de la page suivante ; null à la fin."))),
        "prev_page": nullable(integer(_("Celui de la page précédente."))),
        "total_pages": integer(_("Combien il y a de pages.")),
        "total_count": integer(_("Combien il y a de lignes en tout.")),
        "next_cursor": nullable(text(_("Dans un parcours, où il reprend ; null à la fin."))),
    },
    optional=("next_cursor",),
)


def _leading(value: Any) -> int:
    """The leading integer of a scalar, as `page` is read: `2abc` is 2, `1.9` is 1, anything else 0."""
    text = value.strip() if isinstance(value, str) else ""
    digits = text[: len(text) - len(text.lstrip("0123456789"))].lstrip("0")
    return min(int(digits[:17]), MAX_PAGE) if digits else 0


@dataclass(frozen=True)
class Page:
    """One page of a list: its rows, where it stands, and how to say so on the wire."""

    rows: Sequence[tuple[Any, ...]]
    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """The number of pages: 0 when the list is empty."""
        return -(-self.total // self.size)

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.last else None

    @property
    def previous(self) -> int | None:
        return self.number - 1 if 1 < self.number <= self.last else None

    def meta(self) -> dict[str, int | None]:
        """The `meta` object of contract 1.6."""
        return {
            "current_page": self.number,
            "next_page": self.next,
            "prev_page": self.previous,
            "total_pages": self.last,
            "total_count": self.total,
        }

    def headers(self, request: Request) -> dict[str, str]:
        """`X-Total-Count`, and `Link` with the same filters on every address."""
        pages = {"first": 1, "prev": self.previous, "next": self.next, "last": self.last or 1}
        return {"X-Total-Count": str(self.total)} | _links(request, "page", pages)


@dataclass(frozen=True)
class Step:
    """One step of a walk by cursor: its rows, and where the next step begins."""

    rows: Sequence[tuple[Any, ...]]
    size: int
    total: int
    next: str | None

    def meta(self) -> dict[str, int | str | None]:
        """The `meta` object; a walk has no page numbers."""
        return {
            "current_page": None,
            "next_page": None,
            "prev_page": None,
            "total_pages": -(-self.total // self.size),
            "total_count": self.total,
            "next_cursor": self.next,
        }

    def headers(self, request: Request) -> dict[str, str]:
        """`X-Total-Count`, and `Link` to the first step and to the next."""
        return {"X-Total-Count": str(self.total)} | _links(request, "cursor", {"first": "", "next": self.next})


def _links(request: Request, name: str, places: Mapping[str, object]) -> dict[str, str]:
    """`Link` to other parts of the same list, with the same filters (RFC 8288); to none where there is no place.

    No header when it would be longer than proxies and clients take: `meta` says where to go on.
    """
    address = request.build_absolute_uri(request.path)
    query = [(key, one) for key, values in request.query_params.lists() for one in values if key != name]
    links = ", ".join(
        f'<{address}?{urlencode([*query, (name, place)])}>; rel="{rel}"'
        for rel, place in places.items()
        if place is not None
    )
    return {"Link": links} if len(links) <= MAX_LINKS else {}


# (start, size, key) → (how many there are in all, the rows from `start`), `key` being the place in the order after
# which to begin, if any.
Fetch = Callable[[int, int, Sequence[Any] | None], tuple[int, Sequence[tuple[Any, ...]]]]


def write_cursor(key: Sequence[Any], order: str = "") -> str:
    """A place in the order of that name, opaque on the wire: a walk that began in one order goes on in no other."""
    values = [one if one is None or isinstance(one, int) else str(one) for one in key]
    content = {order: values} if order else values
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def read_cursor(text: str, order: Order) -> list[Any] | None:
    """The place in `order` that `write_cursor` wrote; None for "", where a walk begins. Raises Invalid (422)."""
    if not text:
        return None
    try:
        content = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if order.name:
            content = content.get(order.name) if isinstance(content, dict) else None
        if isinstance(content, list) and len(content) == len(order.terms):
            return [_exact(term.field, value) for term, value in zip(order.terms, content, strict=True)]
    except (ValueError, OverflowError, ValidationError):
        pass
    raise Invalid({"cursor": [invalid(text)]})


def _exact(field: Field[Any, Any], given: Any) -> Any:
    """A value of `field` that a database can be asked for. Raises ValueError or ValidationError if `given` is none."""
    if given is None and field.null:
        return None
    if not isinstance(given, str | int) or (isinstance(given, int) and isinstance(field, DateField | TimeField)):
        raise ValueError
    value = field.to_python(given)
    if isinstance(value, int) and abs(value) > MAX_ID:
        raise ValueError
    if isinstance(value, str) and "\x00" in value:
        raise ValueError
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError
        value = value.astimezone(datetime.UTC)  # the first and last hours of the calendar have no equal there
    return value


def rows_of(queryset: QuerySet[Any], columns: Sequence[str], order: Order) -> Fetch:
    """How many rows `queryset` has, and those from `start` in `order`, as tuples of `columns`: two queries, one beyond
    the end.
    """
    ordered = order.on(queryset)

    def fetch(start: int, size: int, key: Sequence[Any] | None = None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        total = queryset.count()
        rest = ordered if key is None else order.after(ordered, key)
        rows = rest.values_list(*columns)[start : start + size] if start < total else ()
        return total, list(rows)

    return fetch


@dataclass(frozen=True)
class Reading:
    """What a list reads of a row: the columns that are shown, then those that only its place in the order needs."""

    shown: tuple[str, ...]
    order: Order

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.shown, *self.order.columns)))

    @cached_property
    def _place(self) -> tuple[int, ...]:
        return tuple(self.columns.index(column) for column in self.order.columns)

    def key(self, row: tuple[Any, ...]) -> list[Any]:
        """The place of a row in the order."""
        return [row[place] for place in self._place]

    def visible(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """The rows, without what is not shown of them."""
        width = len(self.shown)
        return rows if width == len(self.columns) else [row[:width] for row in rows]


def size_asked(params: Mapping[str, Any]) -> int:
    """How many rows a page holds: `per`, 100 at most, and when it says nothing."""
    return min(_leading(params.get("per")) or PAGE_SIZE, PAGE_SIZE)


def paginate(params: Mapping[str, Any], fetch: Fetch, reading: Reading) -> Page | Step:
    """The page that `page` and `per` ask for, or the step of a walk that `cursor` asks for.

    `page` below 1 or unreadable is 1; beyond the end is an empty page. `per` may ask for less than 100, never more.
    `fetch` gives the columns of `reading`. However many rows come or go meanwhile, a walk shows
    once each row that was there all along: it goes on from a place in the order, not from a count.
    """
    size = size_asked(params)
    if "cursor" in params:
        cursor = params["cursor"]
        key = read_cursor(cursor if isinstance(cursor, str) else str(cursor), reading.order)
        total, rows = fetch(0, size + 1, key)
        more = write_cursor(reading.key(rows[size - 1]), reading.order.name) if len(rows) > size else None
        return Step(reading.visible(rows[:size]), size, total, more)
    number = max(_leading(params.get("page")), 1)
    total, rows = fetch((number - 1) * size, size, None)
    return Page(reading.visible(rows), number, size, total)
