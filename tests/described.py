"""The oracle of the wire: every answer is one that the description of the API tells of.

The client of the tests asks it about each answer that it gets below `/api`. What the description leaves open for times
to come (more keys in an object) is closed here: a key that it does not tell fails the test that met it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from rdv.api.openapi import document
from rdv.api.registry import of

ENVELOPE = {"action", "id", "result", "data", "errorDetails"}


class NotDescribed(AssertionError):
    """An answer of which the description knows nothing."""


def check(method: str, answer: Any) -> None:
    """Raises NotDescribed unless the description tells of what Django's test client got for `method`."""
    method = method.lower()
    if method in ("head", "options"):
        return
    status, headers, body = answer.status_code, answer.headers, answer.content
    operation = _asked(method, answer.wsgi_request.resolver_match)
    if operation is None:
        # An address or a verb that there is not, a page, what is said at the door, or a view that a test made.
        own = getattr(answer.wsgi_request.resolver_match, "func", check).__module__.startswith("tests.")
        if status not in (400, 403, 404, 405, 500, 503) and _is_json(headers) and not own:
            raise NotDescribed(f"{method} {answer.wsgi_request.path}: {status}, where there is no operation")
        return
    where = f"{operation['operationId']}: {status}"
    enveloped = "profile=envelope" in headers.get("Content-Type", "")
    if enveloped and status == 200 and "200" not in operation["responses"]:
        status = 204  # which has no body to be put in an envelope
    answer = _resolved(operation["responses"].get(str(status)))
    if answer is None:
        raise NotDescribed(f"{where} is not among {', '.join(operation['responses'])}: {body[:500]!r}")
    for name, header in answer.get("headers", {}).items():
        if header.get("required") and name not in headers:
            raise NotDescribed(f"{where}: the header {name} is not there")
    content = answer.get("content", {})
    if not body:
        if content and status != 304:
            raise NotDescribed(f"{where}: there is no body")
        return
    sent = headers["Content-Type"].partition(";")[0]
    if sent not in content and not (enveloped and status == 204):
        raise NotDescribed(f"{where}: {sent} is not among {', '.join(content)}")
    if not sent.endswith("json"):
        return  # a calendar, whose form is another standard's
    instance = orjson.loads(body)
    if enveloped:
        if set(instance) != ENVELOPE or instance["action"] not in (
            operation["operationId"],
            operation["x-rdv"]["same_as"],
        ):
            raise NotDescribed(f"{where}: no envelope of that operation: {instance}")
        if status == 204:
            return
        instance = instance["data"] if status < 400 else instance["errorDetails"]
    for error in _validator(operation["operationId"], status, sent).iter_errors(instance):
        raise NotDescribed(f"{where}: {error.message} at {error.instance_path}: {body[:500]!r}")


@cache
def _document() -> dict[str, Any]:
    return _closed(document("fr"))


def _closed(schema: Any) -> Any:
    """The same, every object that names its properties having no others."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


@cache
def _operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, methods in _document()["paths"].items()
        for method, operation in methods.items()
    }


def _asked(method: str, match: Any) -> dict[str, Any] | None:
    """What the description has for `method` at the address that was found, whichever of its forms it had."""
    view = getattr(match.func, "cls", None) if match else None
    if view is None:
        return None
    operation = of(view, getattr(match.func, "actions", {}).get(method, method))
    return operation and _operations().get((operation.path, method))


def _is_json(headers: Mapping[str, str]) -> bool:
    return "json" in headers.get("Content-Type", "")


def _resolved(answer: Any) -> Any:
    if answer and "$ref" in answer:
        return _document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


@cache
def _validator(id: str, status: int, sent: str) -> Any:
    operation = next(one for one in _operations().values() if one["operationId"] == id)
    schema = _resolved(operation["responses"][str(status)])["content"][sent]["schema"]
    return jsonschema_rs.Draft202012Validator(
        {"components": _document()["components"], "allOf": [schema]}, validate_formats=True
    )
