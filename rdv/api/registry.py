"""The one registry: each operation of the API as it is declared beside its view.

A view says in `operations` what each of its actions is for; parameters and answers come from what it has already: its
filters, its serializer, its representation. The description of the API, the discovery document, the manual of the
command line and the web runner are all made of what `operations()` gives, and of nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal

from django.urls import URLPattern, URLResolver, get_resolver

from .errors import WireError
from .schema import Schema, Sentence

Place = Literal["path", "query", "header", "body"]
# One of the two verbs of an update is the operation's own; the other does the same.
VERBS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@dataclass(frozen=True)
class Group:
    """A part of the API: a chapter of its manual."""

    name: str
    title: Sentence
    about: Sentence


@dataclass(frozen=True)
class Way:
    """A way to say who one is: the headers that it takes, as OpenAPI's security schemes by name; the operation that
    gives what to say there, if any.
    """

    name: str
    about: Sentence
    schemes: Mapping[str, Mapping[str, Any]]
    given_by: str | None = None


def header(name: str, about: Sentence = "") -> dict[str, Any]:
    """The security scheme of a header."""
    return {"type": "apiKey", "in": "header", "name": name, **({"description": about} if about else {})}


@dataclass(frozen=True)
class Parameter:
    """What may be sent: where, of what type, what for. In the query string and in a body names are the same."""

    name: str
    about: Sentence
    schema: Schema
    place: Place = "query"
    required: bool = False


@dataclass(frozen=True)
class Answer:
    """What comes back under one status: the schema of its JSON body (None: no body), an example, its own headers."""

    about: Sentence
    body: Schema | None = None
    example: Callable[[], Any] | None = None
    headers: Mapping[str, Sentence] = field(default_factory=dict)
    sometimes: Sequence[str] = ()  # of the headers, those that not every answer has
    # The other types that the body may have, for who prefers one, each with an example.
    also: Mapping[str, Callable[[], str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A request that works on the demo data; names are those of the operation's parameters."""

    about: Sentence
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Described:
    """What a view declares of one of its actions. `parameters`, `answers` and `errors` are beside those that the view
    derives.
    """

    summary: Sentence
    about: Sentence
    rights: Sentence
    name: str = ""  # in the registry, where it is not the action's
    parameters: Sequence[Parameter] = ()
    answers: Mapping[int, Answer] = field(default_factory=dict)
    errors: Sequence[WireError] = ()
    examples: Sequence[Example] = ()
    limits: Sentence = ""
    public: bool = False  # for anyone, without a credential


@dataclass(frozen=True)
class Operation:
    """An operation at its address. `methods`: the first is its own, the others do the same."""

    id: str
    group: Group
    name: str
    methods: tuple[str, ...]
    path: str  # with the names of its parameters: /api/v1/absences/{id}
    view: Any
    action: str
    described: Described

    @property
    def method(self) -> str:
        return self.methods[0]

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def public(self) -> bool:
        return self.described.public

    @property
    def ways(self) -> tuple[Way, ...]:
        """How one may say who one is; none where that is not asked."""
        classes = () if self.public else self.view.authentication_classes
        return tuple(way for authentication in classes for way in authentication.ways)

    @property
    def scope(self) -> str | None:
        """The resource for which a key must be good; None: any key will do."""
        resource: str | None = self.view.resource
        return None if self.public else resource

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that it reads, but for the credential: of the path, of the query or body, of the headers."""
        return tuple(self.view.described_parameters(self))

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its parameters in the query string or a body."""
        return frozenset(one.name for one in self.parameters if one.place in ("query", "body"))

    @cached_property
    def answers(self) -> Mapping[int, Answer]:
        return dict(self.view.described_answers(self))

    @cached_property
    def errors(self) -> tuple[WireError, ...]:
        """What it may refuse with: one of each, as an example."""
        return tuple(self.view.described_errors(self))


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by its name, `absences.list`, in the order of the addresses."""
    found: dict[str, Operation] = {}
    for path, pattern in _addresses("/", get_resolver().url_patterns):
        view: Any = pattern.callback.cls  # type: ignore[attr-defined]
        for action, methods in _actions(view, pattern).items():
            described = view.operations[action]
            name = described.name or NAMES.get(action, action)
            id = f"{view.group.name}.{name}"
            # An address that leads to the same view by another way adds nothing.
            found.setdefault(id, Operation(id, view.group, name, methods, path, view, action, described))
    return found


@cache
def of(view: type, action: str) -> Operation | None:
    """The operation that an action of a view is; None for a view without an address."""
    action = SAME.get(action, action)
    return next((one for one in operations().values() if one.view is view and one.action == action), None)


# The registry's words for the actions of a resource, and which action is but another's other verb.
NAMES = {"retrieve": "show", "destroy": "delete"}
SAME = {"partial_update": "update", "patch": "put"}


def _addresses(prefix: str, patterns: Sequence[Any]) -> Iterator[tuple[str, URLPattern]]:
    """The addresses of the API, with their parameters in braces."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _addresses(prefix + str(pattern.pattern), pattern.url_patterns)
        elif pattern.name and hasattr(getattr(pattern.callback, "cls", None), "operations"):
            yield prefix + re.sub(r"<(\w+)>", r"{\1}", pattern.name.replace("<pk>", "<id>")), pattern


def _actions(view: Any, pattern: URLPattern) -> dict[str, tuple[str, ...]]:
    """The actions that an address reaches, each with its methods."""
    reached = getattr(pattern.callback, "actions", None) or {
        method.lower(): method.lower() for method in VERBS if hasattr(view, method.lower())
    }
    found: dict[str, tuple[str, ...]] = {}
    for method in VERBS:
        action = reached.get(method.lower())
        if action:
            action = SAME.get(action, action)
            found[action] = (*found.get(action, ()), method)
    return found
