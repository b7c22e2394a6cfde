"""Parameters that an operation does not know: noticed in a header, refused under `Prefer: handling=strict` (row P5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from rest_framework import status

from .errors import WireError

HEADER = "X-Unknown-Parameters"
# Of many unknown names, or long ones, this much is told.
NAMES = 5
LONGEST = 120  # characters of a name in the header
READ = 64  # characters of a name that are compared


@dataclass(frozen=True)
class Unknown:
    """A name that an operation does not know, and the nearest of those that it knows, if one is near."""

    name: str
    nearest: str | None

    @classmethod
    def among(cls, sent: Iterable[str], known: Collection[str]) -> tuple[Sequence[Self], int]:
        """The first of the names `sent` that are not `known`, and how many more there are."""
        unknown = [name for name in sent if name not in known]
        names = sorted(known)

        def nearest(name: str) -> str | None:
            return next(iter(get_close_matches(name[:READ].lower(), names, n=1)), None)

        return [cls(name, nearest(name)) for name in unknown[:NAMES]], max(0, len(unknown) - NAMES)

    def item(self) -> str:
        """As a member of a List of Structured Fields (RFC 9651): a String, or a Display String when it is not ASCII."""
        name = self.name[:LONGEST]  # before it is written: a body may be one name of a megabyte
        cut = ";cut" if name != self.name else ""
        while len(text := _string(name)) > LONGEST:
            name, cut = name[: len(name) * 2 // 3], ";cut"
        return text + cut + (f";did-you-mean={_string(self.nearest)}" if self.nearest else "")


def _string(text: str) -> str:
    """A String (RFC 9651 4.1.6) or, where that has no room for it, a Display String (4.1.11)."""
    if text.isascii() and text.isprintable():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    encoded = "".join(
        chr(octet) if 0x20 <= octet <= 0x7E and octet not in b'%"' else f"%{octet:02x}" for octet in text.encode()
    )
    return f'%"{encoded}"'


def tell(response: HttpResponseBase, unknown: Sequence[Unknown], more: int) -> None:
    """Name them in `response`; of those that are not named, how many: `more` of the last one."""
    listed = ", ".join(one.item() for one in unknown)
    response[HEADER] = f"{listed};more={more}" if more else listed
    patch_vary_headers(response, ("Prefer",))


class UnknownParameter(WireError):
    """400: parameters that the operation does not know, for a client that prefers to be told. Nothing was done."""

    status_code = status.HTTP_400_BAD_REQUEST
    code = "unknown_parameter"

    def __init__(self, unknown: Sequence[Unknown] = (Unknown("agnet_id", "agent_id"),), more: int = 0) -> None:
        super().__init__()
        self.unknown, self.more = unknown, more

    def _each(self) -> list[tuple[dict[str, Any], str]]:
        told = []
        for one in self.unknown:
            shown = one.name if len(one.name) <= LONGEST else f"{one.name[:LONGEST]}…"
            what = {"parameter": shown} | ({"did_you_mean": one.nearest} if one.nearest else {})
            sentence = (
                _("%(parameter)s n'est pas un paramètre connu. Vouliez-vous dire %(did_you_mean)s ?")
                if one.nearest
                else _("%(parameter)s n'est pas un paramètre connu.")
            )
            told.append((what, sentence % what))
        return told

    def _and_more(self) -> list[str]:
        return [_("Et %(count)s de plus.") % {"count": self.more}] if self.more else []

    def sentence(self) -> str:
        return " ".join([*(sentence for _what, sentence in self._each()), *self._and_more()])

    def body(self) -> dict[str, Any]:
        each = self._each()
        return {
            "success": False,
            "errors": [{"base": self.code} | what for what, _sentence in each],
            "error_messages": [*(sentence for _what, sentence in each), *self._and_more()],
        }

    def extensions(self, request: Any) -> dict[str, Any]:
        return {"errors": [{"code": self.code, "detail": sentence} | what for what, sentence in self._each()]}
