"""From the bytes of a directory file to values of known kinds, every problem named by its JSON path. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from rest_framework import serializers

SECTIONS = ("territories", "services", "organisations", "agents", "absences")

# Longer than anyone types, short enough that nobody hashes a file.
LONGEST_PASSWORD = 4096

# Stands for a value that could not be read; its problem is told already.
UNREAD: Any = object()

# A value's reader: gets the value, its path and where to tell problems; gives what it read, or UNREAD.
Kind = Callable[[Any, str, "Problems"], Any]


class Refused(Exception):
    """The file cannot be applied; `lines` says why, a line for each problem."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Problems:
    """What is wrong with a file, in the order in which it was found."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, path: str, sentence: str) -> None:
        self.lines.append(f"{path}: {' '.join(sentence.split())}")

    def add_failure(self, path: str, failure: ValidationError) -> None:
        """One line for each message of a model's or a field's refusal."""
        for message in failure.messages:
            self.add(path, message)

    def refuse(self) -> None:
        """Raises Refused if there is any problem."""
        if self.lines:
            raise Refused(self.lines)


def quoted(text: str) -> str:
    """`text` as a message shows it: on one line, escaped, not too long."""
    return json.dumps(text if len(text) <= 100 else text[:99] + "…", ensure_ascii=not text.isprintable())


def read_document(source: bytes) -> dict[str, Any]:
    """The JSON object that `source` holds, with or without byte order mark. Raises Refused."""
    source = source.removeprefix(codecs.BOM_UTF8)
    try:
        document = orjson.loads(source)
    except orjson.JSONDecodeError as error:
        raise Refused([f"line {error.lineno}, column {error.colno}: not JSON in UTF-8: {error.msg}"]) from None
    if not isinstance(document, dict):
        raise Refused([f"The file must hold an object, not {_kind_of(document)}."])
    # orjson is strict and exact, but keeps the last of two equal keys: half a directory would vanish without a word.
    twice: dict[str, None] = {}

    def once(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _value in pairs]
        if len(set(keys)) < len(keys):
            twice.update(dict.fromkeys(key for key in keys if keys.count(key) > 1))

    try:
        json.loads(source, object_pairs_hook=once)
    except RecursionError:
        raise Refused(["The file is nested too deeply."]) from None
    if twice:
        raise Refused([f"{quoted(key)}: given twice in one object" for key in twice])
    problems = Problems()
    for key in document.keys() - set(SECTIONS):
        problems.add(_step("", key), f"unknown key (known: {', '.join(SECTIONS)})")
    problems.lines.sort()
    problems.refuse()
    return document


def items(document: Mapping[str, Any], section: str, problems: Problems) -> Any:
    """The items of a section, each with its path."""
    listed = document.get(section, [])
    if not isinstance(listed, list):
        problems.add(section, f"must be a list, not {_kind_of(listed)}")
        return []
    return [(f"{section}[{index}]", item) for index, item in enumerate(listed)]


class Shape:
    """An object's keys: those that it must have, and those that it may have."""

    def __init__(self, required: Mapping[str, Kind], optional: Mapping[str, Kind] | None = None) -> None:
        self.required = tuple(required)
        self.kinds = {**required, **(optional or {})}

    def read(self, item: Any, path: str, problems: Problems) -> dict[str, Any]:
        """The values of `item` that could be read, by key."""
        if not isinstance(item, dict):
            problems.add(path, f"must be an object, not {_kind_of(item)}")
            return {}
        values = {}
        for key, raw in item.items():
            kind = self.kinds.get(key)
            if kind is None:
                problems.add(_step(path, key), f"unknown key (known: {', '.join(self.kinds)})")
                continue
            value = kind(raw, f"{path}.{key}", problems)
            if value is not UNREAD:
                values[key] = value
        for key in self.required:
            if key not in item:
                problems.add(_step(path, key), "is required")
        return values


def text(value: Any, path: str, problems: Problems) -> Any:
    """Text, trimmed, not empty."""
    read = text_or_nothing(value, path, problems) if value is not None else _refuse_kind(value, path, problems, "text")
    if read is None:
        problems.add(path, "may not be empty")
        return UNREAD
    return read


def text_or_nothing(value: Any, path: str, problems: Problems) -> Any:
    """Text, trimmed; None when null or empty."""
    if value is None:
        return None
    if not isinstance(value, str):
        return _refuse_kind(value, path, problems, "text")
    if "\x00" in value:
        problems.add(path, "contains a NUL character")
        return UNREAD
    return value.strip() or None


def secret(value: Any, path: str, problems: Problems) -> Any:
    """A password, as it is; None when null. No message ever shows it."""
    if value is None:
        return None
    if not isinstance(value, str):
        return _refuse_kind(value, path, problems, "text or null")
    if not value:
        problems.add(path, "may not be empty (null, or no such key, for an agent without password)")
    elif "\x00" in value:
        problems.add(path, "contains a NUL character")
    elif len(value) > LONGEST_PASSWORD:
        problems.add(path, f"is too long (at most {LONGEST_PASSWORD} characters)")
    else:
        return value
    return UNREAD


def flag(value: Any, path: str, problems: Problems) -> Any:
    return value if isinstance(value, bool) else _refuse_kind(value, path, problems, "true or false")


def one_of(*choices: str) -> Kind:
    def read(value: Any, path: str, problems: Problems) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        shown = quoted(value) if isinstance(value, str) else _kind_of(value)
        problems.add(path, f"must be {', '.join(choices[:-1])} or {choices[-1]}, not {shown}")
        return UNREAD

    return read


def as_on_the_wire(field: serializers.Field) -> Kind:
    """Read by a field of the API, with its words."""

    def read(value: Any, path: str, problems: Problems) -> Any:
        try:
            return field.to_internal_value(value)
        except ValidationError as failure:
            problems.add_failure(path, failure)
            return UNREAD

    return read


def each(kind: Kind) -> Kind:
    """A list; gives (path, value) for each item that could be read."""

    def read(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, list):
            return _refuse_kind(value, path, problems, "a list")
        return list(_read_each(value, path, problems))

    def _read_each(values: list[Any], path: str, problems: Problems) -> Iterator[tuple[str, Any]]:
        for index, raw in enumerate(values):
            item = kind(raw, f"{path}[{index}]", problems)
            if item is not UNREAD:
                yield f"{path}[{index}]", item

    return read


def _refuse_kind(value: Any, path: str, problems: Problems, expected: str) -> Any:
    problems.add(path, f"must be {expected}, not {_kind_of(value)}")
    return UNREAD


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "an object"


def _step(path: str, key: str) -> str:
    """The path of `key` in the object at `path`."""
    if not key.isidentifier() or len(key) > 100:
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key
