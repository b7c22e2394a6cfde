"""How far somebody has read, and of what: the tokens of changes, opaque on the wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import orjson
from django.utils.translation import gettext as _
from rest_framework import status

from rdv.api.committed import Place
from rdv.api.errors import Invalid, WireError
from rdv.api.messages import invalid
from rdv.api.parsers import MAX_ID

VERSION = 1  # of tokens
FILTERS = ("agent_id", "organisation_id", "service_id")


class FullSyncRequired(WireError):
    """410: no changes lead from what the client has to what there is."""

    status_code = status.HTTP_410_GONE
    code = "full_sync_required"

    def sentence(self) -> str:
        return _("Ce jeton de synchronisation ne mène plus à l'état actuel. Relisez tout, en commençant sans jeton.")


@dataclass(frozen=True)
class Token:
    """How far somebody has read (`place`), and of what. `began`: while they read everything for the first time, how far
    one could read when they began; `day`: when it was told.
    """

    lineage: str
    place: Place
    began: Place | None
    day: int
    sight: str
    filters: tuple[int | None, ...]

    def __str__(self) -> str:
        began = self.began and [*self.began]
        content = [VERSION, self.lineage, [*self.place], began, self.day, self.sight, self.filters]
        return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Token:
        """Raises Invalid (422) for what is none, FullSyncRequired for one of another version."""
        try:
            version, *rest = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if not isinstance(version, int) or isinstance(version, bool):
                raise ValueError
            if version != VERSION:
                raise FullSyncRequired
            lineage, place, began, day, sight, filters = rest
            known = None if began is None else _place(began)
            return cls(_text(lineage), _place(place), known, _number(day), _text(sight), _numbers(filters))
        except (ValueError, TypeError, KeyError):
            raise Invalid({"sync_token": [invalid(text[:1000])]}) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise ValueError
    return value


def _place(value: Any) -> Place:
    return Place(*map(_number, value))


def _numbers(value: Any) -> tuple[int | None, ...]:
    if not isinstance(value, list) or len(value) != len(FILTERS):
        raise ValueError
    return tuple(one if one is None else _number(one) for one in value)
