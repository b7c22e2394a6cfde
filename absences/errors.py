"""What can go wrong with absences that no other resource has: errors with a body of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework import status
from rest_framework.request import Request

from rdv.api.errors import WireError

from .models.overlaps import OVERLAPS
from .shapes import BATCH_REFUSED


class Overlaps(WireError):
    """409: the absence would overlap those of `ids`, which the organisation does not want (row A17); or the caller, who
    prefers `handling=strict`. Nothing was done.
    """

    status_code = status.HTTP_409_CONFLICT
    code = "absence_overlaps"

    def __init__(self, ids: Sequence[int] = ()) -> None:
        super().__init__()
        self.ids = list(ids)

    def sentence(self) -> str:
        return str(OVERLAPS)

    def body(self) -> dict[str, Any]:
        return super().body() | {"absence_ids": self.ids}

    def extensions(self, request: HttpRequest | Request | None) -> dict[str, Any]:
        return {"absence_ids": self.ids}


class AlreadyThere(WireError):
    """409: what is to be restored is there."""

    status_code = status.HTTP_409_CONFLICT
    code = "already_there"

    def sentence(self) -> str:
        return _("Cette absence n'est pas supprimée.")


class BatchRefused(WireError):
    """422: of absences that were to be written together or not at all, some cannot be. Nothing was done; `verdicts`
    tells each, as it would have been.
    """

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    code = "invalid_parameters"
    shape = BATCH_REFUSED

    def __init__(self, refusals: Mapping[str, WireError] | None = None, /, **more: Any) -> None:
        """`refusals`: by the place of the item, `absences[3]`; `more`: what the body tells beside them."""
        super().__init__()
        self.refusals, self.more = dict(refusals or {}), more

    def body(self) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        messages: list[str] = []
        for place, error in self.refusals.items():
            told = error.body()
            found = told.get("errors")
            if isinstance(found, dict):
                errors |= {f"{place}.{name}": failures for name, failures in found.items()}
                messages += [f"{place} : {sentence}" for sentence in told["error_messages"]]
            else:
                errors[place] = [{"error": error.code}]
                messages.append(f"{place} : {error.sentence()}")
        if refusals := self.more.get("refusals"):  # of a file: as the file calls it
            messages = [_line(**one) for one in refusals]
            if left_out := self.more.get("refusals_left_out"):
                messages.append(
                    ngettext(
                        "et %(count)s autre défaut, qui n'est pas dit ici",
                        "et %(count)s autres défauts, qui ne sont pas dits ici",
                        left_out,
                    )
                    % {"count": left_out}
                )
        return {"success": False, "errors": errors, "error_messages": messages} | self.more

    def sentence(self) -> str:
        return _("%(count)s absences ne peuvent pas être enregistrées ; aucune ne l'a été.") % {
            "count": len(self.refusals)
        }

    def extensions(self, request: HttpRequest | Request | None) -> dict[str, Any]:
        found = []
        for place, error in self.refusals.items():
            where = "#/" + place.replace("[", "/").replace("]", "")
            each = error.extensions(request).get("errors") or [{"code": error.code, "detail": error.sentence()}]
            found += [one | {"pointer": where + one.get("pointer", "#")[1:]} for one in each]
        return {"errors": found}


def _line(line: int, field: str, reason: str, **_more: Any) -> str:
    if not field:
        return _("ligne %(line)s : %(reason)s") % {"line": line, "reason": reason}
    return _("ligne %(line)s, %(field)s : %(reason)s") % {"line": line, "field": field, "reason": reason}
