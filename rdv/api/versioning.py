"""Versions of the API, and how a request says which it wants (rows P1, P2).

`/api/v1/…` is the address of a version. Other addresses lead to the very same views: `/api/1/…`, `/api/latest/…`, and
`/api/…` without a version, where the header `X-API-Version` chooses, the latest when there is none. Under an address
that names a version the header is not read: existing clients may send one, and proxies have some of their own. Each
answer tells the version that was used.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from rest_framework import status

from .deprecation import Deprecation, declarations
from .errors import WireError

HEADER = "X-API-Version"
META = "HTTP_X_API_VERSION"
LATEST = "latest"
SHOWN = 40  # characters of a header that are repeated to whoever sent it


@dataclass(frozen=True)
class Version:
    """A version of the API. `since`: the day of its first release, `deprecated_on`: from when nobody should begin with
    it, `sunset_on`: from when it may be gone; None where that was not announced.
    """

    number: str
    since: datetime.date
    deprecated_on: datetime.date | None = None
    sunset_on: datetime.date | None = None

    @property
    def state(self) -> str:
        """`supported` or `deprecated`, today."""
        begun = self.deprecated_on is not None and self.deprecated_on <= timezone.now().date()
        return "deprecated" if begun else "supported"

    @property
    def path(self) -> str:
        """What its addresses begin with."""
        return f"/api/v{self.number}/"

    @property
    def deprecation(self) -> Deprecation | None:
        """What its answers tell of its end."""
        return None if self.deprecated_on is None else Deprecation(self.deprecated_on, self.sunset_on)

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "version": self.number,
            "state": self.state,
            "path": self.path,
            "since": self.since.isoformat(),
            "deprecated_on": self.deprecated_on and self.deprecated_on.isoformat(),
            "sunset_on": self.sunset_on and self.sunset_on.isoformat(),
        }

    def deprecations(self) -> list[dict[str, Any]]:
        """What is deprecated within it, as JSON has it."""
        return list(declarations(self.path.removeprefix("/")))


# The one table, the latest last. docs/versions.md shows it.
VERSIONS: tuple[Version, ...] = (Version("1", since=datetime.date(2026, 11, 22)),)


class UnknownVersion(WireError):
    """400: `X-API-Version` names none of ours. Tells those that there are."""

    status_code = status.HTTP_400_BAD_REQUEST
    code = "unknown_version"

    def __init__(self, asked: str) -> None:
        super().__init__()
        self.asked = asked if len(asked) <= SHOWN else f"{asked[:SHOWN]}…"
        self.headers["Vary"] = HEADER

    def sentence(self) -> str:
        known = ", ".join([*(version.number for version in VERSIONS), LATEST])
        return _("La version « %(asked)s » n'existe pas. Versions disponibles : %(known)s.") % {
            "asked": self.asked,
            "known": known,
        }

    def extensions(self, request: Any) -> dict[str, Any]:
        return {"versions": [version.told() for version in VERSIONS]}

    def body(self) -> dict[str, Any]:
        return super().body() | self.extensions(None)


def in_path(path: str) -> Version | None:
    """The version that an address names; None when it names none."""
    for version in reversed(VERSIONS):
        if path.startswith((version.path, f"/api/{version.number}/")):
            return version
    return VERSIONS[-1] if path.startswith(f"/api/{LATEST}/") else None


def _named(asked: str) -> Version | None:
    wanted = asked.strip().lower()
    if wanted in ("", LATEST):  # an empty value is a missing one
        return VERSIONS[-1]
    return next((version for version in VERSIONS if wanted in (version.number, f"v{version.number}")), None)


def version_of(request: HttpRequest) -> Version:
    """The version in which `request` is to be answered. Raises UnknownVersion."""
    version = in_path(request.path)
    if version is None:
        asked = request.META.get(META, "")
        version = _named(asked)
        if version is None:
            raise UnknownVersion(asked)
        request.api_version = version  # type: ignore[attr-defined]
    return version


def tell_version(request: HttpRequest, response: HttpResponseBase) -> None:
    """On each answer: which version it is of, if any."""
    version = in_path(request.path)
    if version is None:
        version = getattr(request, "api_version", None)
        if version is None:
            return
        patch_vary_headers(response, (HEADER,))
    response.headers[HEADER] = version.number
    if version.deprecation is not None:
        request.deprecations = [*getattr(request, "deprecations", ()), version.deprecation]  # type: ignore[attr-defined]


class OtherAddresses(URLResolver):
    """`patterns`, which have addresses under a version, at those that name it otherwise or not at all: the same views,
    so the same rights. Requests find them; nothing of ours leads there (`reverse`).
    """

    def __init__(self, patterns: Sequence[URLPattern]) -> None:
        names = "|".join([*(version.number for version in VERSIONS), LATEST])
        super().__init__(RegexPattern(rf"^api/(?:(?:{names})/)?"), list(patterns))

    @property
    def reverse_dict(self) -> MultiValueDict[Any, Any]:
        return MultiValueDict()
