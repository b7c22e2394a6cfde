"""Words of JSON Schema (2020-12), by which the shapes of the wire are declared beside what reads and renders them.

A schema is a mapping, as JSON Schema has it, whose sentences may be lazy; or a `Shape`, an object with a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

from django.utils.functional import Promise

# A sentence for people: French, and English where the request asks for it.
Sentence = str | Promise
Schema = Union[Mapping[str, Any], "Shape"]


@dataclass(frozen=True, eq=False)
class Shape:
    """A named object. Each of its `properties` is there unless it is `optional`; more may come with time."""

    name: str
    about: Sentence
    properties: Mapping[str, Schema]
    optional: Iterable[str] = ()

    def schema(self) -> dict[str, Any]:
        """The object's own schema, its parts as they were declared."""
        required = [name for name in self.properties if name not in set(self.optional)]
        return {
            "type": "object",
            "description": self.about,
            "properties": dict(self.properties),
            **({"required": required} if required else {}),
        }

    @cached_property
    def in_part(self) -> Shape:
        """The same when only some of it was asked for (`fields`)."""
        return Shape(f"{self.name}InPart", self.about, self.properties, tuple(self.properties))


def text(about: Sentence = "", **more: Any) -> dict[str, Any]:
    return _typed("string", about, more)


def integer(about: Sentence = "", **more: Any) -> dict[str, Any]:
    return _typed("integer", about, more)


def flag(about: Sentence = "", **more: Any) -> dict[str, Any]:
    return _typed("boolean", about, more)


def choice(*values: Any, about: Sentence = "", **more: Any) -> dict[str, Any]:
    return _described(about) | {"enum": list(values)} | more


def array(items: Schema, about: Sentence = "", **more: Any) -> dict[str, Any]:
    return _typed("array", about, {"items": items} | more)


def obj(about: Sentence = "", /, **properties: Schema) -> dict[str, Any]:
    """An object without a name; all its properties are there."""
    return named(properties) | _described(about)


def named(properties: Mapping[str, Schema]) -> dict[str, Any]:
    """The same, where names are only known when the server runs."""
    return _typed("object", "", {"properties": dict(properties), "required": list(properties)})


def nullable(schema: Schema) -> dict[str, Any]:
    """The same, or null."""
    if isinstance(schema, Shape):
        return {"anyOf": [schema, {"type": "null"}]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema and "type" not in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    kinds = schema["type"]
    also = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **also, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def or_nothing(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same, or what counts as nothing at all: null, or an empty text."""
    known = schema.get("type", ())
    kinds = {known} if isinstance(known, str) else set(known)
    if "string" in kinds and not kinds & {"array"} and not schema.keys() & {"enum", "format", "pattern", "minLength"}:
        return nullable(schema)
    example = {"example": schema["example"]} if "example" in schema else {}
    return {"anyOf": [*schema.get("anyOf", (schema,)), text(maxLength=0), {"type": "null"}], **example}


def any_of(*schemas: Schema) -> dict[str, Any]:
    return {"anyOf": list(schemas)}


def _described(about: Sentence) -> dict[str, Any]:
    return {"description": about} if about else {}


def _typed(kind: str, about: Sentence, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind} | _described(about) | dict(more)


# Instants as resources show them, and as `auth/*` does (contract 1.5).
INSTANT = text(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} [+-]\d{4}$", example="2026-11-16 10:00:00 +0100")
AUTH_INSTANT = text(format="date-time", example="2026-11-16T10:00:00.000+01:00")
DAY = text(format="date", example="2026-12-23")
TIME = text(pattern=r"^\d{2}:\d{2}:\d{2}$", example="09:00:00")
