"""Nothing vanishes unannounced (row P2): what is to end says so in each answer that has to do with it, with
`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` to the page that tells what to use instead.

    @deprecated(since=date(2027, 1, 4), sunset=date(2027, 7, 5), link="/versions", parameter="agent_email")

on a view: its route; on one of its methods: that action. With `parameter`, only requests that send it are told; with
`field`, only answers that show it. docs/versions.md has the table of all declarations, held by a test.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLResolver, get_resolver
from django.utils.http import http_date

from .client import origin

PAGE = "/versions"
Thing = TypeVar("Thing", bound=Callable[..., Any])


@dataclass(frozen=True)
class Deprecation:
    """The announced end of something. `since`: from when nobody should begin to use it; `sunset`: from when it may be
    gone, if that is known; `link`: the page about it, from the root of this server or absolute.
    """

    since: datetime.date
    sunset: datetime.date | None = None
    link: str = PAGE
    field: str = ""
    parameter: str = ""

    def __post_init__(self) -> None:
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("what ends is announced before it ends")  # RFC 9745 section 4

    def concerns(self, params: Iterable[str], data: Any) -> bool:
        """Whether it is to be told to somebody who sent `params` and is answered `data`."""
        if self.parameter:
            return self.parameter in params
        return not self.field or _shows(data, self.field)


def deprecated(
    since: datetime.date,
    *,
    sunset: datetime.date | None = None,
    link: str = PAGE,
    field: str = "",
    parameter: str = "",
) -> Callable[[Thing], Thing]:
    """Declares the end of a route, an action, a field of its answers or a parameter: see `Deprecation`."""
    declaration = Deprecation(since, sunset, link, field, parameter)

    def declare(thing: Thing) -> Thing:
        thing.deprecations = (*getattr(thing, "deprecations", ()), declaration)  # type: ignore[attr-defined]
        return thing

    return declare


@cache
def declared_by(view: Any) -> Mapping[str, tuple[Deprecation, ...]]:
    """The declarations of a view by the name of its method, with those of the whole view; empty where there is none."""
    whole: tuple[Deprecation, ...] = getattr(view, "deprecations", ())
    methods = ((name, inspect.getattr_static(view, name)) for name in dir(view))
    found = {name: (*whole, *getattr(one, "deprecations", ())) for name, one in methods if inspect.isfunction(one)}
    return found if any(found.values()) else {}


def note(view: Any, request: HttpRequest, response: Any) -> None:
    """Notes what `announce` is to tell of an answer of `view`. One look, where nothing is declared."""
    declared = declared_by(view.__class__)
    if not declared:
        return
    verb = (request.method or "").lower()
    name = getattr(view, "action", None) or ("get" if verb == "head" else verb)
    params, data = getattr(view, "params", ()), getattr(response, "data", None)
    found = [one for one in declared.get(name, ()) if one.concerns(params, data)]
    request.deprecations = [*getattr(request, "deprecations", ()), *found]  # type: ignore[attr-defined]


def announce(request: HttpRequest, response: HttpResponseBase) -> None:
    """Tells in the headers what was noted. Of several the first to end counts, and each has its link."""
    noted: list[Deprecation] = getattr(request, "deprecations", [])
    if not noted:
        return
    response.headers["Deprecation"] = f"@{_seconds(min(one.since for one in noted))}"
    if ends := [one.sunset for one in noted if one.sunset]:
        response.headers["Sunset"] = http_date(_seconds(min(ends)))
    links = dict.fromkeys(one.link if "://" in one.link else f"{origin(request)}{one.link}" for one in noted)
    told = [f'<{link}>; rel="deprecation"; type="text/html"' for link in links]
    response.headers["Link"] = ", ".join(filter(None, (response.headers.get("Link"), *told)))


def _seconds(day: datetime.date) -> int:
    """The beginning of a day, UTC, in seconds since 1970."""
    return int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp())


def _shows(data: Any, field: str) -> bool:
    """Whether an answer shows `field`: at its top, of its one resource, or of the first of a list."""
    if not isinstance(data, Mapping):
        return False
    inside = [value[0] if isinstance(value, list) and value else value for value in data.values()]
    return any(isinstance(one, Mapping) and field in one for one in (data, *inside))


def declarations(prefix: str) -> Iterator[dict[str, Any]]:
    """All that is deprecated under `prefix`, such as `api/v1/`, in the order of the addresses, as JSON has it."""
    for resolver in get_resolver().url_patterns:
        if not isinstance(resolver, URLResolver) or str(resolver.pattern) != prefix:
            continue
        patterns: list[Any] = resolver.url_patterns
        for pattern in patterns:
            view = getattr(pattern.callback, "cls", None)
            declared = declared_by(view) if view else {}
            actions = getattr(pattern.callback, "actions", None) or {name: name for name in view_methods(view)}
            for verb, action in actions.items():
                for one in declared.get(action, ()) if verb != "head" else ():
                    yield {
                        "method": verb.upper(),
                        "route": pattern.name,
                        "parameter": one.parameter or None,
                        "field": one.field or None,
                        "since": one.since.isoformat(),
                        "sunset": one.sunset and one.sunset.isoformat(),
                        "link": one.link,
                    }


def view_methods(view: Any) -> list[str]:
    """The verbs that a view has methods for, in lower case."""
    return [verb for verb in ("get", "post", "put", "patch", "delete") if hasattr(view, verb)]
