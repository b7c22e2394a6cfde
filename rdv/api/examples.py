"""An error for each code of the catalogue, as it is really made: shown on the page of the code."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from .errors import API_OFF, Invalid, MethodNotAllowed, WireError
from .messages import TAKEN, TOO_LONG, blank, inclusion, invalid
from .problems import PROBLEMS
from .registry import operations
from .versioning import UnknownVersion
from .views import REASON_REQUIRED


class _Told(WireError):
    """One in the usual shape, that says what its code means."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code
        self.status_code = PROBLEMS[code].status

    def sentence(self) -> str:
        return str(PROBLEMS[self.code].explanation)


def _of_one(name: str, message: Any, code: str, **params: Any) -> Invalid:
    return Invalid({name: [ValidationError(message, code=code, params=params)]})


# Those that no operation declares, or not so well.
_MADE: dict[str, WireError] = {
    "invalid_parameters": Invalid({"first_day": [invalid("2026-02-30", format="YYYY-MM-DD")], "title": [blank()]}),
    "unknown_version": UnknownVersion("3.14"),
    "method_not_allowed": MethodNotAllowed("DELETE"),
    "inclusion": Invalid({"organisation_id": [inclusion(12)]}),
    "taken": _of_one("name", TAKEN, "taken", value="MDS Les Tilleuls"),
    "too_long": _of_one("title", TOO_LONG, "too_long", count=255),
    "reason_required": _of_one("reason", REASON_REQUIRED, "reason_required", in_address=True),
}


def example_of(code: str) -> WireError:
    """An error that carries `code`: what the catalogue has, what an operation declares, else one in the usual shape."""
    known = PROBLEMS[code]
    if known.example:
        made: WireError = known.example()
        return made
    if code in _MADE:
        return _MADE[code]
    if code == "api_disabled":
        return API_OFF
    declared = (error for operation in operations().values() for error in operation.errors)
    return next((error for error in declared if code in codes_of(error)), _Told(code))


def codes_of(error: WireError) -> list[str]:
    """Its own code, and those of the parameters that it is about."""
    return [error.code, *(one["code"] for one in error.extensions(None).get("errors", ()))]
