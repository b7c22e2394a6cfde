"""Numbered pages of at most 100, described in `meta`, `Link` and `X-Total-Count` (contract 1.6, RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.request import Request

PAGE_SIZE = 100
# The largest integer that every JSON reader keeps exact (RFC 8259 section 6).
MAX_PAGE = 2**53 - 1


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
        query = [(key, value) for key, values in request.query_params.lists() for value in values if key != "page"]
        address = request.build_absolute_uri(request.path)
        pages = {"first": 1, "prev": self.previous, "next": self.next, "last": self.last or 1}
        links = (
            f'<{address}?{urlencode([*query, ("page", number)])}>; rel="{rel}"'
            for rel, number in pages.items()
            if number
        )
        return {"X-Total-Count": str(self.total), "Link": ", ".join(links)}


Fetch = Callable[[int, int], tuple[int, Sequence[tuple[Any, ...]]]]


def rows_of(queryset: QuerySet[Any], columns: Sequence[str]) -> Fetch:
    """How many rows `queryset` has, and those from `start` as tuples of `columns`: two queries, one beyond the end."""

    def fetch(start: int, size: int) -> tuple[int, Sequence[tuple[Any, ...]]]:
        total = queryset.count()
        rows = queryset.values_list(*columns)[start : start + size] if start < total else ()
        return total, list(rows)

    return fetch


def paginate(params: Mapping[str, Any], fetch: Fetch) -> Page:
    """The page that `page` and `per` ask for.

    `page` below 1 or unreadable is 1; beyond the end is an empty page. `per` may ask for less than 100, never more.
    """
    size = min(_leading(params.get("per")) or PAGE_SIZE, PAGE_SIZE)
    number = max(_leading(params.get("page")), 1)
    total, rows = fetch((number - 1) * size, size)
    return Page(rows, number, size, total)
