"""Where the server is and who one is there: the environment, `config.toml`, and what `rdv sign-in` keeps.

Our variables begin with `RDVCLI_`: on a machine that also runs the server, `RDV_…` is a setting of the server, which
refuses to start in production with one that it does not know.

Two files, in `$XDG_CONFIG_HOME/rdv`: `config.toml` is written by people and read here; `credentials.json` is written
here, so that no comment of theirs is ever lost. A credential that is kept beside an address goes to that address and
to no other.
"""

from __future__ import annotations

import difflib
import fcntl
import ipaddress
import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .failures import OTHER, USAGE, Failure, join
from .words import say

TRIPLE = ("access-token", "client", "uid")
KEYS = {"server": str, "token": str, "ca": str, "act_for": str, "output": str, "timeout": (int, float)}
OUTPUTS = ("table", "json", "csv", "ndjson")


@dataclass(frozen=True)
class Credential:
    """The headers that say who one is, and where they come from; its text shows nothing of them."""

    headers: Mapping[str, str] = field(repr=False)
    origin: str  # for people: RDVCLI_TOKEN, a file
    kept: bool = False  # by `rdv sign-in`: what the server renews is kept anew

    @classmethod
    def of_token(cls, token: str, origin: str, kept: bool = False) -> Credential:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Failure(
                USAGE,
                say(f"{origin} ne contient pas une clé.", f"{origin} does not hold a key."),
            )
        return cls({"Authorization": f"Bearer {token}"}, origin, kept)

    @property
    def is_triple(self) -> bool:
        return "access-token" in self.headers


@dataclass(frozen=True)
class Configuration:
    """What counts in the end, with the places that it comes from."""

    profile: str
    url: str | None
    url_origin: str | None
    credential: Credential | None
    ca: str | None
    act_for: str | None
    output: str | None
    timeout: float
    # A credential that is there, but was kept for another address.
    elsewhere: str | None = None


class Files:
    """The files of one person."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = Path(environment.get("HOME") or Path.home())
        self.folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "rdv"
        self.cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "rdv"
        self.written = self.folder / "config.toml"
        self.kept = self.folder / "credentials.json"

    def profiles(self) -> dict[str, Any]:
        """`config.toml`, checked; empty when there is none."""
        try:
            text = self.written.read_text(encoding="utf-8")
            content = tomllib.loads(text)
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise Failure(USAGE, f"{self.written}: {problem}") from None
        profiles = content.get("profiles", {})
        self._known(content, {"profile", "profiles"}, "")
        if not isinstance(content.get("profile", ""), str):
            self._wrong("profile")
        if not isinstance(profiles, dict):
            self._wrong("profiles")
        for name, profile in profiles.items():
            if not isinstance(profile, dict):
                self._wrong(f"profiles.{name}")
            self._known(profile, set(KEYS), f"profiles.{name}.")
            for key, value in profile.items():
                if isinstance(value, bool) or not isinstance(value, KEYS[key]):  # type: ignore[arg-type]
                    self._wrong(f"profiles.{name}.{key}")
            if profile.get("output", "json") not in OUTPUTS:
                self._wrong(f"profiles.{name}.output", join(OUTPUTS))
        self.check(self.written, secret=any("token" in profile for profile in profiles.values()))
        return content

    def credentials(self) -> dict[str, Any]:
        """What sign-ins left, by profile."""
        try:
            content = json.loads(self.kept.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            raise Failure(
                USAGE,
                f"{self.kept}: {problem}",
                say("  Supprimez-le, puis rdv sign-in.", "  Delete it, then rdv sign-in."),
            ) from None
        self.check(self.kept, secret=True)
        # What a stranger's hand left there is nobody's session.
        return (
            {name: one for name, one in content.items() if isinstance(one, dict)} if isinstance(content, dict) else {}
        )

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """What sign-ins left, to be changed: one process at a time, and the whole file or nothing."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.folder / "credentials.lock").touch(mode=0o600)
        except OSError as problem:
            raise Failure(OTHER, str(problem)) from None
        with (self.folder / "credentials.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self.credentials()
            before = json.dumps(content, sort_keys=True)
            yield content
            if json.dumps(content, sort_keys=True) != before:
                write(self.kept, json.dumps(content, indent=2))

    @staticmethod
    def check(path: Path, secret: bool) -> None:
        """Refuses a file that others may change; or read, where there is a secret in it."""
        told = exposure(path, secret)
        if told:
            raise Failure(USAGE, told, f"  chmod 600 {path}")

    def _known(self, table: Mapping[str, Any], known: set[str], prefix: str) -> None:
        for name in set(table) - known:
            near = difflib.get_close_matches(name, known, 1)
            hint = say(f" Peut-être {near[0]} ?", f" Perhaps {near[0]}?") if near else ""
            raise Failure(
                USAGE,
                say(f"{self.written} : {prefix}{name} est inconnu.", f"{self.written}: {prefix}{name} is unknown.")
                + hint,
            )

    def _wrong(self, name: str, expected: str = "") -> NoReturn:
        raise Failure(
            USAGE,
            say(f"{self.written} : {name} n'est pas valable.", f"{self.written}: {name} will not do.")
            + (f" ({expected})" if expected else ""),
        )


def exposure(path: Path, secret: bool) -> str | None:
    """What is wrong with the rights on a file; None when nothing is."""
    try:
        state = path.stat()
    except OSError:
        return None
    mode = stat.S_IMODE(state.st_mode)
    if mode & 0o022:
        return say(f"{path} peut être modifié par d'autres ({mode:o}).", f"{path} may be changed by others ({mode:o}).")
    if secret and mode & 0o077:
        return say(
            f"{path} contient un secret et peut être lu par d'autres ({mode:o}).",
            f"{path} holds a secret and may be read by others ({mode:o}).",
        )
    return None


def write(path: Path, text: str) -> None:
    """Replaces a file, readable by its owner alone from its first moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def configure(
    environment: Mapping[str, str],
    files: Files,
    *,
    profile: str | None = None,
    url: str | None = None,
    act_for: str | None = None,
) -> Configuration:
    """What counts: options first, then the environment, then `config.toml`, then the last sign-in."""
    content = files.profiles()
    name = profile or environment.get("RDVCLI_PROFILE") or content.get("profile") or "default"
    profiles = content.get("profiles", {})
    written: dict[str, Any] = profiles.get(name, {})
    signed_in = files.credentials()
    kept: dict[str, Any] = signed_in.get(name, {})
    if name != "default" and not written and not kept and not (url or environment.get("RDVCLI_SERVER")):
        near = difflib.get_close_matches(name, {*profiles, *signed_in}, 1)
        hint = say(f" Peut-être {near[0]} ?", f" Perhaps {near[0]}?") if near else ""
        raise Failure(USAGE, say(f"Le profil {name} n'existe pas.", f"There is no profile {name}.") + hint)
    places = (
        (url, "--server"),
        (environment.get("RDVCLI_SERVER"), "RDVCLI_SERVER"),
        (written.get("server"), str(files.written)),
        (kept.get("server"), "rdv sign-in"),
    )
    found, origin = next(((value, where) for value, where in places if value), (None, None))
    address = base_of(found, str(origin)) if found else None
    credential, elsewhere = None, None
    if environment.get("RDVCLI_TOKEN"):
        credential = Credential.of_token(environment["RDVCLI_TOKEN"], "RDVCLI_TOKEN")
    else:
        for source, where in ((written, str(files.written)), (kept, str(files.kept))):
            if not (source.get("token") or source.get("access-token")):
                continue
            if "server" in source and address and base_of(source["server"], where) != address:
                elsewhere = source["server"]
                continue
            credential = _credential(source, where, kept=source is kept)
            break
    return Configuration(
        profile=name,
        url=address,
        url_origin=origin,
        credential=credential,
        ca=written.get("ca"),
        act_for=act_for or environment.get("RDVCLI_ACT_FOR") or written.get("act_for"),
        output=environment.get("RDVCLI_OUTPUT") or written.get("output"),
        timeout=_seconds(environment.get("RDVCLI_TIMEOUT") or written.get("timeout") or 30),
        elsewhere=elsewhere,
    )


def _credential(source: Mapping[str, Any], where: str, kept: bool) -> Credential:
    if source.get("token"):
        return Credential.of_token(source["token"], where, kept)
    return Credential({name: str(source.get(name, "")) for name in TRIPLE}, where, kept)


def _seconds(text: Any) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise Failure(
            USAGE,
            say(
                f"RDVCLI_TIMEOUT : {text} n'est pas un nombre de secondes.",
                f"RDVCLI_TIMEOUT: {text} is no number of seconds.",
            ),
        )
    return seconds


def base_of(text: str, origin: str) -> str:
    """An address to which paths are added: scheme, host, and the folder that RDV is served from, if any."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable():
        raise Failure(
            USAGE,
            say(
                f"{origin} : ce n'est pas une adresse comme https://rdv.agence.example.",
                f"{origin}: this is no address like https://rdv.agence.example.",
            ),
        )
    if parts.username or parts.password:
        raise Failure(
            USAGE,
            say(
                f"{origin} : une adresse ne porte pas de mot de passe ; rdv sign-in le demande.",
                f"{origin}: an address carries no password; rdv sign-in asks for it.",
            ),
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    folder = parts.path.rstrip("/")
    for end in ("/api/v1", "/api"):
        folder = folder.removesuffix(end)
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{folder}"


def loopback(url: str) -> bool:
    """Whether the address is of this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
