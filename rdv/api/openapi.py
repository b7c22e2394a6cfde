"""The description of the API as an OpenAPI 3.1 document, made of the registry alone (https://spec.openapis.org/oas/v3.1.1).

What OpenAPI has no place for is under `x-rdv` of each operation: what its rights are, in a sentence; the scope that a
key needs; its limits; examples of whole requests, which work on the demo data; the codes of its errors. The command
line and the web runner read these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import override

from rdv import VERSION

from .errors import WireError
from .registry import Answer, Operation, Parameter, operations
from .schema import Shape

OPENAPI = "3.1.1"
JSON, FORM, PROBLEM = "application/json", "application/x-www-form-urlencoded", "application/problem+json"


@cache
def document(language: str) -> dict[str, Any]:
    """The document in a language of ours. It says nothing of the address it is asked at, nor of settings: the same for
    everybody, and for the copy that is kept beside the code.
    """
    with override(language):
        return _Writer().document()


class _Writer:
    """Writes the document, and gathers on its way the named shapes that it meets."""

    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}
        self.security: dict[str, Any] = {}
        self.refusals: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        groups = {}
        for operation in operations().values():
            groups[operation.group.name] = operation.group
            for method in operation.methods:
                paths.setdefault(operation.path, {})[method.lower()] = self.operation(operation, method)
        written: dict[str, Any] = self.plain(
            {
                "openapi": OPENAPI,
                "info": {
                    "title": "RDV",
                    "version": VERSION,
                    "summary": _("Rendez-vous et absences, pour les services publics et leurs partenaires."),
                    "description": _(
                        "L'API partenaire de RDV-Solidarités, et davantage. Les réponses sont en JSON, les phrases en "
                        "français, ou en anglais avec `Accept-Language: en` ; les codes ne changent jamais."
                    ),
                    "license": {"name": "MIT", "identifier": "MIT"},
                },
                "servers": [{"url": "/"}],
                "tags": [
                    {"name": group.name, "description": group.about, "x-displayName": group.title}
                    for group in groups.values()
                ],
                "paths": paths,
                "components": {
                    "schemas": self.shapes,
                    "responses": self.refusals,
                    "securitySchemes": self.security,
                },
            }
        )
        return written

    def operation(self, operation: Operation, method: str) -> dict[str, Any]:
        described = operation.described
        written: dict[str, Any] = {
            "operationId": operation.id if method == operation.method else f"{operation.id}.{method.lower()}",
            "tags": [operation.group.name],
            "summary": described.summary,
            "description": described.about,
            "parameters": [self.parameter(one) for one in operation.parameters if one.place != "body"],
        }
        body = [one for one in operation.parameters if one.place == "body"]
        if body:
            written["requestBody"] = self.body(operation, body)
        written["responses"] = self.answers(operation)
        written["security"] = self.schemes(operation)
        written["x-rdv"] = {
            "group": operation.group.name,
            "action": operation.name,
            "same_as": None if method == operation.method else operation.id,
            "rights": described.rights,
            "scope": operation.scope,
            "limits": described.limits or None,
            "errors": sorted({error.code for error in operation.errors}),
            "examples": [{"summary": one.about, "arguments": one.arguments} for one in described.examples],
        }
        return written

    def parameter(self, parameter: Parameter) -> dict[str, Any]:
        return {
            "name": parameter.name,
            "in": parameter.place,
            "description": parameter.about,
            "required": parameter.required,
            "schema": self.schema(parameter.schema),
        }

    def body(self, operation: Operation, parameters: Iterable[Parameter]) -> dict[str, Any]:
        properties = {}
        for one in parameters:
            schema = self.schema(one.schema)
            properties[one.name] = {**schema, "description": one.about} if one.about else schema
        required = [one.name for one in parameters if one.required]
        schema = {"type": "object", "properties": properties} | ({"required": required} if required else {})
        examples = {
            f"{number}": {
                "summary": example.about,
                "value": {name: value for name, value in example.arguments.items() if name in properties},
            }
            for number, example in enumerate(operation.described.examples, 1)
        }
        name = "".join(word.capitalize() for word in re.split(r"[._]", operation.id)) + "Body"
        self.shapes[name] = schema
        reference = {"$ref": f"#/components/schemas/{name}"}
        content = {"schema": reference} | ({"examples": examples} if examples else {})
        return {"required": bool(required), "content": {JSON: content, FORM: {"schema": reference}}}

    def answers(self, operation: Operation) -> dict[str, Any]:
        written = {str(status): self.answer(answer) for status, answer in operation.answers.items()}
        if operation.reads and 200 in operation.answers:
            written["304"] = {"description": _("Rien n'a changé depuis la réponse que l'on a déjà.")}
        by_status: dict[int, list[WireError]] = {}
        for error in operation.errors:
            by_status.setdefault(error.status_code, []).append(error)
        for status, errors in sorted(by_status.items()):
            written[str(status)] = self.refusal(status, errors)
        return dict(sorted(written.items()))

    def answer(self, answer: Answer) -> dict[str, Any]:
        written: dict[str, Any] = {"description": answer.about}
        if answer.headers:
            written["headers"] = {
                name: {"description": about, "schema": {"type": "string"}} for name, about in answer.headers.items()
            }
        if answer.body is not None:
            written["content"] = {JSON: {"schema": self.schema(answer.body)}}
            if answer.example:
                written["content"][JSON]["example"] = answer.example()
        return written

    def refusal(self, status: int, errors: list[WireError]) -> dict[str, Any]:
        name = "-".join([str(status), *dict.fromkeys(error.code for error in errors)])
        reference = {"$ref": f"#/components/responses/{name}"}
        if name in self.refusals:
            return reference
        shapes = list({error.shape.name: error.shape for error in errors}.values())
        schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        examples = {error.code: {"value": error.body()} for error in errors}
        headers = {name: {"schema": {"type": "string"}} for error in errors for name in error.headers}
        written = {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": self.schema(schema), "examples": examples}},
        }
        self.refusals[name] = written | ({"headers": headers} if headers else {})
        return reference

    def schemes(self, operation: Operation) -> list[dict[str, list[str]]]:
        """The ways to say who one is: of the headers of each, all are needed."""
        for way in operation.ways:
            self.security |= way.schemes
        return [{name: [] for name in way.schemes} for way in operation.ways]

    def schema(self, schema: Any) -> Any:
        """The same with references to named shapes in their place."""
        if isinstance(schema, Shape):
            if schema.name not in self.shapes:
                self.shapes[schema.name] = {}  # it may refer to itself
                self.shapes[schema.name] = self.schema(schema.schema())
            return {"$ref": f"#/components/schemas/{schema.name}"}
        if isinstance(schema, Mapping):
            # OpenAPI's own `example` is no word of JSON Schema, whose word is `examples`.
            return {
                **{name: self.schema(value) for name, value in schema.items() if name != "example"},
                **({"examples": [schema["example"]]} if isinstance(schema.get("example"), str | int) else {}),
            }
        if isinstance(schema, list | tuple):
            return [self.schema(one) for one in schema]
        return schema

    def plain(self, value: Any) -> Any:
        """The same with lazy sentences said, in the language of the moment."""
        if isinstance(value, Promise):
            return str(value)
        if isinstance(value, Mapping):
            return {name: self.plain(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        return value
