"""From bytes to one set of parameters: strict JSON, forms and the query string, as the client chose (contract 1.1).

Nothing here is read before the caller is known: the base view authenticates first, then asks for its parameters.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import orjson
from django.conf import settings
from django.http import QueryDict
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from .errors import MalformedRequest, PayloadTooLarge, UnreadableBody

MAX_ID = 2**63 - 1
# Far more than any parameter has, and few enough for a value to be shown again in an error.
MAX_DEPTH = 100

JSON_HINT = "Content-Type: application/json"


class UnreadBody(dict[str, Any]):
    """Stands for a body that holds something, but in a form that we do not read: it contributes no parameter."""


def _announced(request: Any) -> int:
    """The length that the request says its body has; 0 when it says nothing that can be understood."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def read_whole(stream: IO[bytes], context: Mapping[str, Any] | None) -> bytes:
    """The whole body. Raises PayloadTooLarge, and MalformedRequest when less came than was announced."""
    body = stream.read(settings.RDV_MAX_BODY_BYTES + 1)
    if len(body) > settings.RDV_MAX_BODY_BYTES:
        raise PayloadTooLarge(settings.RDV_MAX_BODY_BYTES)
    if context and len(body) < _announced(context["request"]):
        raise MalformedRequest(_("Le corps de la requête est incomplet."))
    return body


class StrictJSONParser(BaseParser):
    """A JSON object (RFC 8259, UTF-8) or nothing. Raises MalformedRequest for anything else, with line and column.

    orjson refuses NaN, lone surrogates, invalid UTF-8 and more than 1,024 levels, in time linear in the size.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = read_whole(stream, parser_context)
        if not body.strip():
            return {}
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise MalformedRequest(
                _("Le corps de la requête n'est pas un JSON valide."),
                hint=_("ligne %(line)s, colonne %(column)s") % {"line": error.lineno, "column": error.colno},
            ) from None
        if not isinstance(document, dict):
            raise MalformedRequest(_("Le corps de la requête doit être un objet JSON."))
        return document


class WireFormParser(BaseParser):
    """`application/x-www-form-urlencoded`. JSON sent under this type (curl's default) is noticed, and not read."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> QueryDict | UnreadBody:
        body = read_whole(stream, parser_context)
        if body.lstrip()[:1] in (b"{", b"["):
            return UnreadBody()
        return QueryDict(_utf8(body), encoding="utf-8")


class WireMultiPartParser(MultiPartParser):
    """`multipart/form-data`, all of it in UTF-8; files are left aside, since no parameter is one."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = read_whole(stream, parser_context)
        boundary = parse_header_parameters(media_type or "")[1].get("boundary", "")
        if not boundary or f"--{boundary}--".encode() not in body:
            # Django takes a form without its end, or none at all, for a shorter one.
            raise MalformedRequest(_("Le corps de la requête est incomplet."))
        _text(body)  # Django would put a sign in the place of what it cannot decode
        return super().parse(io.BytesIO(body), media_type, parser_context).data


class OtherBodyParser(BaseParser):
    """Any other type: its content is not read (contract 1.1: "its members are simply absent")."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> UnreadBody | dict[str, Any]:
        return UnreadBody() if read_whole(stream, parser_context).strip() else {}


def _text(raw: bytes) -> str:
    """Raises MalformedRequest when `raw` is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedRequest(_("Un paramètre n'est pas de l'UTF-8 valide.")) from None


def _utf8(raw: bytes) -> str:
    """The text of a query string or form, still encoded. Raises MalformedRequest when it decodes to invalid UTF-8."""
    if b"%" in raw:
        _text(unquote_to_bytes(raw))
    return _text(raw)


def _flat(source: Mapping[str, Any]) -> dict[str, Any]:
    """One value a name: the last one given, or the whole list for `name[]`."""
    if not isinstance(source, QueryDict):
        return dict(source)
    return {
        key.removesuffix("[]"): values if key.endswith("[]") else values[-1] for key, values in source.lists() if values
    }


class Parameters(dict[str, Any]):
    """The parameters of a request, merged: the path beats the query string, which beats the body.

    `body_unread` is true when a body was sent that contributed nothing because of its type; `sent` are the names that
    were not in the path, `in_address` what stood in the query string.
    Raises MalformedRequest (bad JSON, invalid UTF-8, NUL characters, too many levels) and PayloadTooLarge.
    """

    def __init__(self, request: Request, path: Mapping[str, Any], *, body: bool) -> None:
        if _announced(request) > settings.RDV_MAX_BODY_BYTES:
            raise PayloadTooLarge(settings.RDV_MAX_BODY_BYTES)
        _utf8(request.path_info.encode())  # Django shows what it could not decode as it was, with "%"
        _utf8(request.META.get("QUERY_STRING", "").encode("latin-1"))
        content: Any = request.data if body else {}
        self.body_unread = isinstance(content, UnreadBody)
        self.in_address = _flat(request.query_params)
        sent = {**_flat(content), **self.in_address}
        self.sent = sent.keys()
        super().__init__({**sent, **path})
        _refuse_unspeakable(self)

    @property
    def hint(self) -> str | None:
        """What to tell somebody whose body was not read."""
        return JSON_HINT if self.body_unread else None

    def refuse_unread_body(self) -> None:
        """A change whose body cannot be read must not pass for an empty one. Raises UnreadableBody (415)."""
        if self.body_unread:
            raise UnreadableBody(hint=JSON_HINT)

    def text(self, name: str) -> str | None:
        """The parameter as text, numbers included; None when absent, empty or not a scalar."""
        value = self.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value) or None
        return None


def _refuse_unspeakable(parameters: Mapping[str, Any]) -> None:
    """Raises MalformedRequest for a NUL character or too many levels. Level by level: depth costs no stack."""
    level: list[Any] = [parameters]
    for _depth in range(MAX_DEPTH):
        if any("\x00" in value for value in level if isinstance(value, str)):
            raise MalformedRequest(_("Un paramètre contient un caractère nul."))
        names = [name for value in level if isinstance(value, dict) for name in value]
        items = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        level = names + items
        if not level:
            return
    raise MalformedRequest(_("Le corps de la requête a trop de niveaux imbriqués."))


def leading_integer(value: Any) -> int:
    """An identifier as the wire reads it (contract 1.1): the leading decimal digits, else 0.

    Numbers beyond 64 bits, negative ones and anything that is not text or a number give 0, which no record has.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return 0
    if isinstance(value, float):
        # JSON numbers beyond 64 bits arrive as floats: their digits are not an identifier's.
        value = int(value) if math.isfinite(value) else 0
    text = str(value).strip()
    digits = len(text) - len(text.lstrip("0123456789"))
    # 19 digits hold every 64-bit number; int() is not asked to read a megabyte of them.
    significant = text[:digits].lstrip("0")
    if not significant or len(significant) > 19:
        return 0
    number = int(significant)
    return number if number <= MAX_ID else 0


def names_in(value: Any) -> list[str]:
    """The names of a parameter that holds several, with commas or as a list; each once, in their order."""
    parts = value if isinstance(value, list) else [value]
    names = (name.strip() for part in parts if part is not None for name in str(part).split(","))
    return list(dict.fromkeys(name for name in names if name))
