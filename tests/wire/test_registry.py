"""One registry, four faces: the description, the discovery document, the command line and the web runner offer the same
operations with the same parameters; nothing below /api is without a description, and none of it says what is not so.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from agents.models import AgentTerritorialRole
from agents.pages import parameters as runner
from rdv.api.openapi import document
from rdv.api.registry import Described, operations
from rdv.api.views import ResourceViewSet, WireView
from rdv_cli import offered as offered_by_the_command_line
from tests.factories import AbsenceFactory, FeedFactory, WebhookEndpointFactory

REGISTRY = {id: {one.name for one in operation.parameters} for id, operation in operations().items()}


def described() -> dict[str, set[str]]:
    """By operation, the parameters of the OpenAPI document."""
    found: dict[str, set[str]] = {}
    whole = document("fr")
    for methods in whole["paths"].values():
        for operation in methods.values():
            names = {parameter["name"] for parameter in operation["parameters"]}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = whole["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                names |= set(schema["properties"])
            found[operation["operationId"]] = names
    return {
        id: names
        for id, names in found.items()
        if not (id.endswith(".put") and found[id] == found[id.removesuffix(".put")])
    }


def test_the_description_has_what_the_registry_has():
    assert described() == REGISTRY


def test_the_discovery_document_has_what_the_registry_has(anonymous, db):
    told = anonymous.get("/api").json()["operations"]
    assert {one["id"]: (one["method"], one["path"], one["public"]) for one in told} == {
        id: (one.method, one.path, one.public) for id, one in operations().items()
    }


def test_the_command_line_has_what_the_registry_has():
    offered = {id: set(names) for id, names in offered_by_the_command_line(document("fr")).items()}
    assert offered.keys() == REGISTRY.keys()
    # What the program says by itself: which language it is in, what it keeps, which tries are one.
    by_itself = {name for id in REGISTRY for name in REGISTRY[id] - offered[id]}
    assert by_itself <= {"Accept-Language", "If-None-Match", "Idempotency-Key", "Prefer", "prettify"}
    for id, names in offered.items():
        assert names - by_itself == REGISTRY[id] - by_itself, id


def test_the_web_runner_has_what_the_registry_has():
    assert runner.offered() == REGISTRY


def views(patterns: Any = None) -> set[type]:
    found = set()
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            found |= views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and issubclass(getattr(pattern.callback, "cls", object), WireView):
            found.add(pattern.callback.cls)
    return found


def test_every_view_of_the_api_describes_each_of_its_actions():
    known = {(one.view, one.action) for one in operations().values()}
    for view in views():
        assert view.operations, view
        for action, told in view.operations.items():
            assert isinstance(told, Described)
            assert (view, action) in known, (view, action)
        if not issubclass(view, ResourceViewSet):
            verbs = {name for name in ("get", "post", "put", "delete") if hasattr(view, name)}
            assert verbs == set(view.operations), view


def test_an_action_without_a_description_fails(monkeypatch):
    from absences.views import Absences

    kept = {name: told for name, told in Absences.operations.items() if name != "destroy"}
    monkeypatch.setattr(Absences, "operations", kept)
    operations.cache_clear()
    try:
        with pytest.raises(KeyError, match="destroy"):
            operations()
    finally:
        monkeypatch.undo()
        operations.cache_clear()


def test_every_parameter_has_a_sentence_and_a_type():
    for id, operation in operations().items():
        for one in operation.parameters:
            assert str(one.about).strip(), (id, one.name)
            assert one.schema or one.name == "email", (id, one.name)


def test_options_says_what_the_registry_says(anonymous, db):
    for operation in operations().values():
        told = anonymous.options(operation.path.replace("{id}", "1")).json()
        assert set(operation.methods) <= told["actions"].keys(), operation.id
        if operation.action == "list":
            filters = getattr(operation.view, "filters", None)
            assert set(told["filters"]) == set(filters.base_filters if filters else ()), operation.id
            assert set(told["filters"]) <= operation.names
        if operation.action in ("create", "update"):
            fields = {"agent_id" if name == "agent" else name for name in told["actions"][operation.method]}
            body = {one.name for one in operation.parameters if one.place == "body"}
            serializer = operation.view.serializer_class
            left_out = serializer.changing_only if operation.action == "create" else serializer.creating_only
            assert fields - {"agent_id" if name == "agent" else name for name in left_out} == body - {
                "agent_email",
                "agent_external_id",
            }


@pytest.mark.parametrize("id", [id for id, one in operations().items() if one.action == "create"])
def test_what_a_creation_needs_is_what_it_refuses_to_do_without(cast, sign_in, id):
    operation = operations()[id]
    needed = {one.name for one in operation.parameters if one.required and one.place == "body"}
    AgentTerritorialRole.objects.create(agent=cast.martine, territory=cast.paris)
    answer = sign_in(cast.martine).post(operation.path.replace("{organisation_id}", str(cast.mds.pk)), {})
    assert answer.status_code == 422
    # Of the agent, either parameter will do: neither is needed by itself. Nor are times, beside a period.
    either = {"agent"} | ({"start_time", "end_time"} if id == "absences.create" else set())
    refused = answer.json()["errors"].keys() - either
    assert refused == needed


@pytest.mark.parametrize("id", [id for id, one in operations().items() if one.action == "update"])
def test_a_change_needs_nothing(cast, sign_in, id):
    operation = operations()[id]
    assert not [one.name for one in operation.parameters if one.required and one.place == "body"]
    martine = sign_in(cast.martine)
    target = AbsenceFactory(agent=cast.martine).pk if id.startswith("absences.") else cast.mds.pk
    if id == "tokens.update":
        target = martine.post("/api/v1/tokens", {"name": "À changer"}).json()["token"]["id"]
    elif id.startswith("agents."):
        target = cast.martine.pk
    elif id == "feeds.update":
        target = FeedFactory(owner=cast.martine).pk
    elif id == "webhook_endpoints.update":
        AgentTerritorialRole.objects.create(agent=cast.martine, territory=cast.paris)
        target = WebhookEndpointFactory(organisation=cast.mds).pk
    named = {"id": target, "day": "2026-12-01", "organisation_id": cast.mds.pk}
    assert martine.patch(operation.path.format_map(named), {}).status_code == 200
