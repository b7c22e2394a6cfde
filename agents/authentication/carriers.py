"""Where a credential may be in a request, and of what kind it is by its form alone (contract 2.5, 2.6; row T8)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import orjson
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from agents import tokens
from rdv.api.errors import ConflictingCredentials

# Beside `Authorization`. Some put `Bearer` before it, some do not.
CARRIERS = ("HTTP_X_API_TOKEN", "HTTP_X_API_KEY", "HTTP_X_AUTH")
# Header, claims and signature of a JSON Web Token (RFC 7515 7.1); the header is a JSON object.
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*", re.ASCII)
_LONGEST = 16_384  # characters; of a JSON Web Token of a talkative identity provider


def presented_bearer(request: Request | HttpRequest) -> str | None:
    """The one key, JSON Web Token or triple in base64 JSON that the request carries, wherever; None when it carries
    none, or one that is ours to read by its parts (`presented_triple`). Raises ConflictingCredentials when it carries
    two that differ. What is in none of these forms is somebody else's, and may stand beside them: gateways and
    proxies have keys of their own.
    """
    found = {one for one in _sent(request) if _is_known(one)}
    triple = presented_triple(request)
    if triple is not None:
        found = {one for one in found if triple_of(one) != triple}
        if found and triple[2]:
            raise ConflictingCredentials
    if len(found) > 1:
        raise ConflictingCredentials
    return found.pop() if found else None


def presents_a_key(request: Request | HttpRequest) -> bool:
    """Whether the request carries a key or a JSON Web Token."""
    return any(_is_known(one) and not _triple_in(one) for one in _sent(request))


def presents_something_else(request: Request | HttpRequest) -> bool:
    """Whether it carries, where our credentials may be, what is none."""
    return any(one and not _is_known(one) for one in _sent(request))


def triple_of(bearer: str) -> tuple[str, str, str] | None:
    """The triple that `bearer` is in base64 JSON; None when it is something else."""
    parts = _triple_in(bearer)
    return _parts(parts) if parts else None


def looks_like_a_key(text: str) -> bool:
    return text.startswith((tokens.PERSONAL, tokens.ACCOUNT))


def looks_like_a_jwt(text: str) -> bool:
    return len(text) <= _LONGEST and _JWT.fullmatch(text) is not None


def _is_known(text: str) -> bool:
    return looks_like_a_key(text) or looks_like_a_jwt(text) or "access-token" in _triple_in(text)


def _sent(request: Request | HttpRequest) -> Iterator[str]:
    meta = request.META
    bearer = _last_word(meta.get("HTTP_AUTHORIZATION", ""))
    if not _triple_in(bearer):  # else it is a part of the triple, as the contract has it
        yield bearer
    for carrier in CARRIERS:
        yield _last_word(meta.get(carrier, ""))
    if settings.RDV_KEY_IN_ADDRESS and request.method == "GET":
        yield request.GET.get("api_key", "")


def presented_triple(request: Request | HttpRequest) -> tuple[str, str, str] | None:
    """(uid, client, access-token) of the request; None when it carries no part of a triple.

    Each part comes from its own header if there is one, even empty, else from `Authorization`.
    """
    meta = request.META
    headers = {
        name: meta[key]
        for name, key in (("uid", "HTTP_UID"), ("client", "HTTP_CLIENT"), ("access-token", "HTTP_ACCESS_TOKEN"))
        if key in meta
    }
    bearer = _triple_in(_last_word(meta.get("HTTP_AUTHORIZATION", "")))
    if not headers and "HTTP_AUTHORIZATION" not in meta:
        return None
    return _parts(bearer | headers)


def _parts(parts: dict[str, str]) -> tuple[str, str, str]:
    return parts.get("uid", ""), parts.get("client", "default"), parts.get("access-token", "")


def _triple_in(encoded: str) -> dict[str, str]:
    """The parts in the base64 of a JSON object; whatever is undecodable counts as empty."""
    try:
        document = orjson.loads(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error):
        return {}
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, str)}


def _last_word(header: str) -> str:
    """What a header such as `Bearer B` carries; the scheme is not checked (contract 2.6)."""
    return header.split()[-1] if header.strip() else ""
