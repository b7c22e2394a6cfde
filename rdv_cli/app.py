"""One run of the program: its options, its files, the server as it is known so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import words
from .config import Configuration, Files, configure, loopback
from .document import Catalogue
from .words import harmless, say

if TYPE_CHECKING:
    import httpx

    from .cache import Kept
    from .client import Client


@dataclass
class App:
    environment: Mapping[str, str]
    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep
    server: str | None = None
    profile: str | None = None
    act_for: str | None = None
    verbose: bool = False
    quiet: bool = False
    offline: bool = False  # completion asks nobody
    asked: bool = False  # the server, for its description, in this run
    _catalogue: Catalogue | None = None
    _warned: set[str] = field(default_factory=set)

    def read_ahead(self, arguments: list[str]) -> None:
        """The options on which the commands themselves depend, wherever they stand."""
        words.use(words.of_terminal(self.environment))
        for number, argument in enumerate(arguments):
            if argument == "--":
                break
            name, equals, value = argument.partition("=")
            if not equals:
                value = arguments[number + 1] if number + 1 < len(arguments) else ""
            if name == "--lang" and value in words.LANGUAGES:
                words.use(value)
            elif name == "--server":
                self.server = value
            elif name == "--profile":
                self.profile = value
            elif name == "--act-for":
                self.act_for = value

    def tell(self, text: str) -> None:
        """To whoever sits there, beside the result."""
        print(harmless(text), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """What may be left unsaid."""
        if not self.quiet:
            self.tell(text)

    def _show(self, line: str) -> None:
        if self.verbose:
            self.tell(line)

    @cached_property
    def files(self) -> Files:
        return Files(self.environment)

    @cached_property
    def configuration(self) -> Configuration:
        return configure(self.environment, self.files, profile=self.profile, url=self.server, act_for=self.act_for)

    @cached_property
    def client(self) -> Client:
        from .client import Client

        configuration = self.configuration
        client = Client(
            configuration,
            tell=self.note,
            show=self._show,
            renewed=self._renewed,
            transport=self.transport,
            sleep=self.sleep,
        )
        clear = configuration.credential and configuration.url and configuration.url.startswith("http:")
        if clear and not loopback(configuration.url or ""):
            self.note(
                say(
                    "Attention : l'adresse est en http://, la clé circule en clair.",
                    "Beware: the address is http://, the key travels in clear.",
                )
            )
        return client

    @cached_property
    def kept(self) -> Kept:
        from .cache import Kept

        return Kept(self.files.cache, self.configuration.url or "")

    def catalogue(self) -> Catalogue | None:
        """What the server offers; None when only what is kept may be looked at, and nothing is."""
        from . import cache

        if self._catalogue is None:
            if self.offline or (self.configuration.url and self.kept.fresh and not self.asked):
                self._catalogue = self.kept.catalogue()
            else:
                self.asked = True
                self._catalogue = cache.catalogue(self.kept, self.client, tell=self.note)
        return self._catalogue

    def ask_anew(self) -> None:
        """The catalogue may have grown since it was kept."""
        from . import cache

        self.asked = True
        self._catalogue = cache.catalogue(self.kept, self.client, anew=True)

    def _renewed(self, triple: Mapping[str, str]) -> None:
        with self.files.changing() as profiles:
            kept: dict[str, Any] = profiles.get(self.configuration.profile, {})
            # Signed out meanwhile, or in again as somebody else: theirs is the newer.
            if kept.get("client") == triple["client"] and kept.get("uid") == triple["uid"]:
                kept |= triple
