"""How resources are shown, and their JSON bytes: the same whatever `Accept` says (contract 1.1, 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from .schema import Shape


@dataclass(frozen=True, eq=False)
class Representation:
    """How a resource looks on the wire, the same wherever it is shown.

    `columns` are read from the model's `for_wire()` queryset, and given in that order to `render`, after the base
    address of the server; `render` gives the JSON object, whose schema is `shape`. `sample`: a row, for the examples.
    """

    singular: str
    plural: str
    columns: tuple[str, ...]
    render: Callable[..., dict[str, Any]]
    shape: Shape
    sample: tuple[Any, ...]
    # Of an object that is dear to make: by key, the columns that it needs and what makes it of them (None: the column
    # itself). "base" among the columns is the address of the server.
    parts: Mapping[str, tuple[tuple[str, ...], Callable[..., Any] | None]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of the object, in their order; without those that are shown but once, as a secret is."""
        return tuple(name for name in self.shape.properties if name not in self.shape.optional)

    def example(self) -> dict[str, Any]:
        """The sample as it is shown, at an address for examples (RFC 2606)."""
        return self.render("https://rdv.agence.example", *self.sample)


class WireJSONRenderer(BaseRenderer):
    """UTF-8 JSON without spaces, keys in the order given; no bytes at all for `None` (204)."""

    media_type = "application/json"
    format = "json"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class JSONWhateverIsAccepted(BaseContentNegotiation):
    """Answers are JSON for everyone; bodies go to the first parser that reads their type."""

    def select_parser(self, request: Request, parsers: Sequence[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        for parser in parsers:
            if parser.media_type in (sent, "*/*"):
                return parser
        return None

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type or ""
