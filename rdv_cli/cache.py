"""The server's description of itself, kept between runs: for an hour as it is, then asked whether it changed (ETag)."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from .client import Client, Unreachable
from .config import write
from .document import Catalogue
from .failures import OTHER, SERVER, Failure, Refused
from .words import language, say

DESCRIPTION = "/api/v1/openapi.json"
FRESH = 60 * 60  # seconds; the server's own max-age


class Kept:
    """One description, of one address in one language."""

    def __init__(self, folder: Path, url: str) -> None:
        name = hashlib.sha256(f"{url}\n{language()}".encode()).hexdigest()[:32]
        self.path = folder / f"{name}.json"
        self.url = url
        self._content: dict[str, Any] | None = None

    @property
    def content(self) -> dict[str, Any] | None:
        """`at`, `etag` and `document`; None where nothing, or nothing readable, is kept."""
        if self._content is None:
            try:
                content = json.loads(self.path.read_text(encoding="utf-8"))
                if content["url"] == self.url and "paths" in content["document"]:
                    self._content = content
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._content

    @property
    def fresh(self) -> bool:
        content = self.content
        return content is not None and 0 <= time.time() - content["at"] < FRESH

    def catalogue(self) -> Catalogue | None:
        return Catalogue.of(self.content["document"]) if self.content else None

    def keep(self, etag: str, document: dict[str, Any]) -> None:
        self._content = {"url": self.url, "at": time.time(), "etag": etag, "document": document}
        with suppress(OSError):  # a home that cannot be written to: it is asked for again next time
            write(self.path, json.dumps(self._content, ensure_ascii=False))


def catalogue(kept: Kept, client: Client, *, anew: bool = False, tell: Any = None) -> Catalogue:
    """The catalogue of the server: what is kept while it is fresh, else what the server says; what is kept too, when
    the server is away. `anew`: ask in any case.
    """
    content = kept.content
    if content and kept.fresh and not anew:
        return Catalogue.of(content["document"])
    headers = {"If-None-Match": content["etag"]} if content and content["etag"] else {}
    try:
        response = client.get(DESCRIPTION, headers=headers, anonymous=True, tries=1)
    except (Unreachable, Refused) as failure:
        if content is None or failure.code != SERVER:
            raise _not_ours(client.url, failure) if isinstance(failure, Refused) else failure from None
        if tell:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(content["at"]))
            tell(
                say(
                    f"Le serveur ne répond pas ; voici ce qu'il disait le {when}.",
                    f"The server does not answer; this is what it said at {when}.",
                )
            )
        return Catalogue.of(content["document"])
    if response.status_code == 304 and content:
        kept.keep(content["etag"], content["document"])
        return Catalogue.of(content["document"])
    document = _document(response)
    if document is None:
        raise Failure(
            OTHER,
            say(f"{client.url} n'est pas un serveur RDV.", f"{client.url} is no RDV server."),
            "  rdv doctor",
        )
    kept.keep(response.headers.get("etag", ""), document)
    return Catalogue.of(document)


def _document(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except ValueError:
        return None
    described = isinstance(document, dict) and str(document.get("openapi", "")).startswith("3.")
    return document if described and isinstance(document.get("paths"), dict) else None


def _not_ours(url: str, refused: Refused) -> Failure:
    """A server that does not describe itself is another, unless it says that it is one of ours."""
    if "x-rdv-server" in refused.response.headers:
        return refused
    return Failure(
        refused.code if refused.code == SERVER else OTHER,
        say(
            f"{url} ne se décrit pas comme un serveur RDV ({refused.response.status_code} à {DESCRIPTION}).",
            f"{url} does not describe itself as an RDV server ({refused.response.status_code} at {DESCRIPTION}).",
        ),
        "  rdv doctor",
    )
