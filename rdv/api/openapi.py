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
from django.utils.translation import gettext_lazy, override

from rdv import VERSION

from .errors import PROBLEM, PROBLEM_DETAILS, WireError, details
from .registry import Answer, Operation, Parameter, operations
from .schema import Shape, choice, nullable, text

OPENAPI = "3.1.1"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
# Of the examples (RFC 2606).
HOST, REQUEST = "https://rdv.agence.example", "6f2b0c3e-8d9f-4c54-9a3e-0c1f5a7d2b11"

ENVELOPE = Shape(
    "Envelope",
    gettext_lazy("Une réponse dans son enveloppe, pour qui demande `Accept: application/json; profile=envelope`."),
    {
        "action": nullable(text(gettext_lazy("L'opération."))),
        "id": text(gettext_lazy("Ce que dit l'en-tête X-Request-Id.")),
        "result": choice("success", "error", about=gettext_lazy("Si cela a réussi.")),
        "data": {"description": gettext_lazy("Ce qui est répondu sans enveloppe ; null pour une erreur.")},
        "errorDetails": {"description": gettext_lazy("L'erreur ; null quand il n'y en a pas.")},
    },
)
ABOUT = (
    gettext_lazy(
        "L'API partenaire de RDV-Solidarités, et davantage. Les réponses sont en JSON, les phrases en français, ou en "
        "anglais avec `Accept-Language: en` ; les codes ne changent jamais."
    ),
    gettext_lazy(
        "Un paramètre peut être dans l'adresse comme dans le corps, et l'adresse l'emporte. Celui qui n'est pas connu "
        "est laissé de côté, et nommé dans l'en-tête `X-Unknown-Parameters`. Une valeur vide, ou "
        "null, compte pour absente."
    ),
    gettext_lazy(
        "Chaque adresse répond aussi avec `.json` ou une barre finale. `?prettify=true` indente la réponse. "
        "`Accept: application/json; profile=envelope` la met dans une enveloppe (`Envelope` ; une suppression répond "
        "alors 200). `Accept: application/problem+json` donne les erreurs telles que la RFC 9457 les décrit "
        "(`Problem`)."
    ),
)
# Of what errors tell beside their body.
HEADERS = {
    "WWW-Authenticate": gettext_lazy("Ce qui est attendu, et pourquoi ce qui est venu ne vaut pas (RFC 6750)."),
    "Retry-After": gettext_lazy("Dans combien de secondes un nouvel essai peut réussir."),
    "RateLimit-Limit": gettext_lazy("Combien d'essais une fenêtre permet."),
    "RateLimit-Remaining": gettext_lazy("Combien il en reste."),
    "Vary": gettext_lazy("De quels en-têtes la réponse dépend."),
}
REQUEST_ID = {
    "description": gettext_lazy("L'identifiant de la requête : celui qu'elle portait, si c'est un UUID."),
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
ETAG = {
    "description": gettext_lazy("Le validateur de la réponse, pour If-None-Match et If-Match (RFC 9110)."),
    "required": True,
    "schema": {"type": "string"},
}


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
        self.schema(ENVELOPE)

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
                    "description": "\n\n".join(str(paragraph) for paragraph in ABOUT),
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
                    "headers": {"X-Request-Id": REQUEST_ID, "ETag": ETAG},
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
        self.shapes[f"{name}Form"] = _without_null(schema)
        content = {"schema": {"$ref": f"#/components/schemas/{name}"}} | ({"examples": examples} if examples else {})
        form = {"schema": {"$ref": f"#/components/schemas/{name}Form"}}
        return {"required": bool(required), "content": {JSON: content, FORM: form}}

    def answers(self, operation: Operation) -> dict[str, Any]:
        written = {str(status): self.answer(status, answer) for status, answer in operation.answers.items()}
        if links := _links(operation):
            written["200"]["links"] = links
        if operation.reads and 200 in operation.answers:
            nothing = Answer(_("Rien n'a changé depuis la réponse que l'on a déjà."))
            written["304"] = self.answer(304, nothing)
        by_status: dict[int, list[WireError]] = {}
        for error in operation.errors:
            by_status.setdefault(error.status_code, []).append(error)
        for status, errors in sorted(by_status.items()):
            written[str(status)] = self.refusal(operation, status, errors)
        return dict(sorted(written.items()))

    def answer(self, status: int, answer: Answer) -> dict[str, Any]:
        headers = {name: _header(about, name not in answer.sometimes) for name, about in answer.headers.items()}
        known = ("X-Request-Id", "ETag") if status in (200, 304) else ("X-Request-Id",)
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in known}
        written: dict[str, Any] = {"description": answer.about, "headers": headers}
        if answer.body is not None:
            written["content"] = {JSON: {"schema": self.schema(answer.body)}}
            if answer.example:
                written["content"][JSON]["example"] = answer.example()
            for media, example in answer.also.items():
                written["content"][media] = {"schema": {"type": "string"}, "example": example()}
        return written

    def refusal(self, operation: Operation, status: int, errors: list[WireError]) -> dict[str, Any]:
        """A reference to what operations share, by its codes; and by more where the same codes have other bodies."""
        written = self.plain(self.written_refusal(status, errors))
        codes = "-".join([str(status), *dict.fromkeys(error.code for error in errors)])
        for name in (codes, f"{codes}-{operation.group.name}", f"{codes}-{operation.id}"):
            if self.refusals.setdefault(name, written) == written:
                return {"$ref": f"#/components/responses/{name}"}
        raise ValueError(f"{operation.id} has two answers for {status}")

    def written_refusal(self, status: int, errors: list[WireError]) -> dict[str, Any]:
        shapes = list({error.shape.name: error.shape for error in errors}.values())
        schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        examples: dict[str, dict[str, Any]] = {}
        for error in errors:
            # Of two with the same code, the second has a number.
            name = next(
                one for one in (error.code, *(f"{error.code}_{n}" for n in range(2, 99))) if one not in examples
            )
            examples[name] = {"usual": error.body(), "problem": details(error, None, HOST, REQUEST)}
        every = [set(error.headers) for error in errors]
        headers = {
            name: _header(HEADERS[name], name in set.intersection(*every))
            for name in HEADERS
            if name in set().union(*every)
        }
        return {
            "description": HTTPStatus(status).phrase,
            "headers": headers | {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
            "content": {
                JSON: {
                    "schema": self.schema(schema),
                    "examples": {name: {"value": one["usual"]} for name, one in examples.items()},
                },
                PROBLEM: {
                    "schema": self.schema(PROBLEM_DETAILS),
                    "examples": {name: {"value": one["problem"]} for name, one in examples.items()},
                },
            },
        }

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


def _without_null(schema: Any) -> Any:
    """The same in a form, which has no null."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema if one != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    written = {name: _without_null(value) for name, value in schema.items()}
    if isinstance(schema.get("type"), list):
        kinds = [kind for kind in schema["type"] if kind != "null"]
        written["type"] = kinds if len(kinds) > 1 else kinds[0]
    return written


def _header(about: Any, required: bool) -> dict[str, Any]:
    return {"description": about, "required": required, "schema": {"type": "string"}}


def _links(operation: Operation) -> dict[str, Any]:
    """Where an answer leads: from a creation to what may be done with the row, from a list to its first one."""
    shown = getattr(operation.view, "representation", None)
    where = {"create": "{0.singular}/id", "list": "{0.plural}/0/id"}.get(operation.action)
    if not shown or not where:
        return {}
    of_address = [one.name for one in operation.parameters if one.place == "path"]
    given = {name: f"$request.path.{name}" for name in of_address} | {"id": f"$response.body#/{where.format(shown)}"}
    return {
        one.id: {"operationId": one.id, "parameters": given}
        for one in operations().values()
        if one.path == f"{operation.path}/{{id}}"
    }
