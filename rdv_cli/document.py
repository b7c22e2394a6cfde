"""The server's description of itself (OpenAPI 3.1), as the command line needs it: groups, operations, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

SECRET = re.compile(r"(^|_)(password|password_confirmation|secret|token)$")
VERBS = ("get", "post", "patch", "put", "delete")


@dataclass(frozen=True)
class Parameter:
    """What may be sent; its schema has no references left among its alternatives."""

    name: str
    place: str  # path, query, header, body
    about: str
    required: bool
    schema: Mapping[str, Any]

    @property
    def option(self) -> str:
        """How it is called at the command line: `first_day` is `first-day`."""
        return self.name.lower().replace("_", "-")

    @cached_property
    def alternatives(self) -> list[Mapping[str, Any]]:
        """The schemas of one value, any of which will do; of a list, those of its items. Nothing at all, which often
        will do too, is none of them.
        """
        found = [one for one in _leaves(self.schema) if set(_types(one)) != {"null"} and one.get("maxLength") != 0]
        items = next((one.get("items", {}) for one in found if "array" in _types(one)), None)
        return found if items is None else list(_leaves(items))

    @cached_property
    def types(self) -> frozenset[str]:
        """All types of JSON that a value may have."""
        return frozenset(kind for one in self.alternatives for kind in _types(one))

    @cached_property
    def choices(self) -> list[Any] | None:
        """Its values, where they are named and nothing else will do."""
        if not self.alternatives or not all("enum" in one for one in self.alternatives):
            return None
        values = {str(value): value for one in self.alternatives for value in one["enum"] if value not in (None, "")}
        return list(values.values())

    @property
    def file(self) -> bool:
        """Whether it is the content of a file, of which one says where it is."""
        return "contentMediaType" in self.schema

    @property
    def names(self) -> list[str]:
        """Of a list of names with commas: those that it may have."""
        return list(self.schema.get("x-names", ()))

    @cached_property
    def many(self) -> bool:
        return any("array" in _types(one) for one in _leaves(self.schema))

    @cached_property
    def flag(self) -> bool:
        """Whether it is said or denied: a boolean first of all, or a text that stands for one."""
        if self.many or not self.alternatives:
            return False
        first = self.alternatives[0]
        if "boolean" in _types(first):
            return True
        words = first.get("enum") or first.get("examples") or self.schema.get("examples") or ["?"]
        return {str(word).lower() for word in words if word not in (None, "")} <= {"true", "false"}

    @property
    def secret(self) -> bool:
        """Whether it must not be seen by who looks at the processes of the machine."""
        return self.schema.get("format") == "password" or bool(SECRET.search(self.name.lower()))


@dataclass(frozen=True)
class Refusal:
    """One of the errors that an operation may answer with."""

    status: str
    code: str
    sentence: str


@dataclass(frozen=True)
class Operation:
    id: str
    group: str
    action: str
    method: str
    path: str
    summary: str
    about: str
    parameters: tuple[Parameter, ...]
    public: bool
    rights: str
    scope: str | None
    limits: str | None
    examples: tuple[tuple[str, Mapping[str, Any]], ...]
    refusals: tuple[Refusal, ...]
    answers: Mapping[str, str]  # by status, of those that are no refusals
    columns: tuple[str, ...] = ()  # of a row of its answer, with dots: agent.email
    rows: str | None = None  # the member of its answer that is a list of rows

    @property
    def command(self) -> str:
        return self.action.replace("_", "-")

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    def parameter(self, name: str) -> Parameter | None:
        return next((one for one in self.parameters if one.name == name), None)

    @property
    def keyed(self) -> bool:
        """Whether the server knows a second try of a write by its key."""
        return self.parameter("Idempotency-Key") is not None

    @property
    def walks(self) -> bool:
        """Whether its rows may be read page after page."""
        return self.reads and self.parameter("cursor") is not None


@dataclass(frozen=True)
class Group:
    name: str
    title: str
    about: str
    operations: dict[str, Operation] = field(default_factory=dict)  # by command


@dataclass(frozen=True)
class Catalogue:
    """All of a document. An operation that is another's other verb is left out: it does the same."""

    version: str
    groups: dict[str, Group]

    @property
    def operations(self) -> Iterator[Operation]:
        for group in self.groups.values():
            yield from group.operations.values()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Catalogue:
        return _Reader(document).catalogue()


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def catalogue(self) -> Catalogue:
        groups = {
            tag["name"]: Group(tag["name"], tag.get("x-displayName", tag["name"]), tag.get("description", ""))
            for tag in self.document.get("tags", ())
        }
        for path, item in self.document["paths"].items():
            for method in VERBS:
                written = item.get(method)
                if written is None or written.get("x-rdv", {}).get("same_as"):
                    continue
                operation = self.operation(path, method, written)
                group = groups.setdefault(operation.group, Group(operation.group, operation.group, ""))
                group.operations[operation.command] = operation
        return Catalogue(
            str(self.document.get("info", {}).get("version", "")),
            {name: group for name, group in groups.items() if group.operations},
        )

    def operation(self, path: str, method: str, written: Mapping[str, Any]) -> Operation:
        extra = written.get("x-rdv", {})
        group, _dot, action = written["operationId"].partition(".")
        rows, columns = self.shown(written)
        return Operation(
            id=written["operationId"],
            group=extra.get("group", group),
            action=extra.get("action", action or group),
            method=method.upper(),
            path=path,
            summary=written.get("summary", ""),
            about=written.get("description", ""),
            parameters=tuple(self.parameters(written)),
            public=written.get("security") == [],
            rights=extra.get("rights") or "",
            scope=extra.get("scope"),
            limits=extra.get("limits"),
            examples=tuple((one["summary"], one["arguments"]) for one in extra.get("examples", ())),
            refusals=tuple(self.refusals(written)),
            answers={
                status: self.plain(one).get("description", "")
                for status, one in written["responses"].items()
                if status < "4"
            },
            columns=columns,
            rows=rows,
        )

    def parameters(self, written: Mapping[str, Any]) -> Iterator[Parameter]:
        for one in map(self.plain, written.get("parameters", ())):
            schema = self.whole(one.get("schema", {}))
            yield Parameter(one["name"], one["in"], one.get("description", ""), one.get("required", False), schema)
        content = self.plain(written.get("requestBody", {})).get("content", {})
        schema = self.plain(content.get("application/json", {}).get("schema", {}))
        for name, one in schema.get("properties", {}).items():
            one = self.whole(one)
            yield Parameter(name, "body", one.get("description", ""), name in schema.get("required", ()), one)

    def refusals(self, written: Mapping[str, Any]) -> Iterator[Refusal]:
        for status, answer in written["responses"].items():
            if status < "4":
                continue
            content = self.plain(answer).get("content", {}).get("application/json", {})
            for code, example in content.get("examples", {}).items():
                yield Refusal(status, code, _sentence(self.plain(example).get("value", {})))

    def shown(self, written: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
        """The member of the answer that holds its rows, and the columns of a row; of an answer that is one thing, the
        columns of that.
        """
        answer = self.plain(written["responses"].get("200", {}))
        schema = self.plain(answer.get("content", {}).get("application/json", {}).get("schema", {}))
        members = {name: self.plain(one) for name, one in schema.get("properties", {}).items()}
        if "meta" in members:
            for name, one in members.items():
                if one.get("type") == "array":
                    return name, tuple(self.columns(self.plain(one["items"])))
        only = self.thing(next(iter(members.values()))) if len(members) == 1 else {}
        return None, tuple(self.columns(only or schema))

    def columns(self, schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[str]:
        for name, one in self.thing(schema).get("properties", {}).items():
            inner = self.thing(one)
            if inner and depth < 2:
                yield from self.columns(inner, f"{prefix}{name}.", depth + 1)
            else:
                yield f"{prefix}{name}"

    def thing(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object that a schema is of, the first of several; nothing when it is of none."""
        plain = self.plain(schema)
        return next((one for one in map(self.plain, (plain, *plain.get("anyOf", ()))) if "properties" in one), {})

    def whole(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A schema without references among its alternatives and items."""
        plain = dict(self.plain(schema))
        if "anyOf" in plain:
            plain["anyOf"] = [self.whole(one) for one in plain["anyOf"]]
        if "items" in plain:
            plain["items"] = self.whole(plain["items"])
        return plain

    def plain(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The value itself, where there is a reference to it."""
        while "$ref" in value:
            found: Any = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            value = {**found, **{name: one for name, one in value.items() if name != "$ref"}}
        return value


def _leaves(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in schema.get("anyOf", ()):
        yield from _leaves(one)
    if "anyOf" not in schema:
        yield schema


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = schema.get("type", ())
    yield from [kinds] if isinstance(kinds, str) else kinds
    if not kinds:
        names = {bool: "boolean", int: "integer", str: "string", float: "number", type(None): "null"}
        yield from (names.get(type(one), "object") for one in schema.get("enum", ()))


def _sentence(body: Mapping[str, Any]) -> str:
    """The server's sentence in the example of an error."""
    errors = body.get("errors")
    if isinstance(errors, dict):
        return ""  # whatever is wrong, field by field
    told = body.get("error_messages") or ([one for one in errors if isinstance(one, str)] if errors else [])
    return str(body.get("detail") or (told[0] if told else body.get("not_found", ""))).strip()
