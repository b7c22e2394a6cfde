"""Values typed from schemas, in the several ways that a server may describe them."""

from __future__ import annotations

import pytest

from rdv_cli import words
from rdv_cli.document import Parameter
from rdv_cli.values import Value

pytestmark = pytest.mark.no_database

NOTHING = [{"type": "string", "maxLength": 0}, {"type": "null"}]
DATE = {"type": "string", "format": "date"}


@pytest.fixture(autouse=True)
def _in_french():
    words.use("fr")


def parameter(**schema: object) -> Parameter:
    return Parameter("x", "body", "", False, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "boolean"},
        {"type": ["boolean", "null"]},
        {"enum": [True, False, "true", "false", None]},
        {"anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}, *NOTHING]},
        {"type": "string", "enum": ["true", "false"]},
        {"type": "string", "examples": ["true"]},
    ],
)
def test_what_is_said_or_denied_is_a_flag(schema):
    assert parameter(**schema).flag


@pytest.mark.parametrize(
    "schema", [{}, {"type": "string"}, {"type": "integer"}, {"enum": ["a", "true"]}, {"anyOf": NOTHING}]
)
def test_what_is_not_is_none(schema):
    assert not parameter(**schema).flag


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({}, "TEXTE"),
        ({"type": ["integer", "string", "null"]}, "N"),
        ({"type": ["string", "number"]}, "TEXTE"),
        ({"anyOf": [DATE, *NOTHING]}, "AAAA-MM-JJ"),
        ({"anyOf": [{"enum": [7, 30]}, {"enum": ["7", "30", "never"]}, DATE, *NOTHING]}, "7|30|never|AAAA-MM-JJ"),
        ({"anyOf": [{"type": "array", "items": {"enum": ["a", "b"]}}, {"type": "string"}]}, "a|b"),
        ({"enum": list("abcdefghij")}, "TEXTE"),
    ],
)
def test_a_value_is_shown_by_what_it_may_be(schema, shown):
    assert Value(parameter(**schema)).name == shown


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "7", 7),
        ({"type": "integer"}, "-7", -7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "string"}, "7", "7"),
        ({"type": ["integer", "string"]}, "٧", "٧"),
        ({"anyOf": [{"enum": [7]}, {"enum": ["7", "never"]}, DATE]}, "7", 7),
        ({"anyOf": [{"enum": [7]}, {"enum": ["7", "never"]}, DATE]}, "2027-01-01", "2027-01-01"),
        ({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}, "3", 3),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"enum": ["a"]}, "", ""),
    ],
)
def test_a_text_becomes_what_the_schema_says(schema, text, value):
    assert Value(parameter(**schema)).typed(text) == value


@pytest.mark.parametrize(
    ("schema", "text"),
    [({"type": "integer"}, "x"), ({"type": "number"}, "x"), ({"enum": ["a"]}, "b"), ({"type": "object"}, "{")],
)
def test_what_cannot_be_one_is_refused(schema, text):
    with pytest.raises(ValueError, match=r"."):
        Value(parameter(**schema)).typed(text)
