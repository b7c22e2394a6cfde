"""`rdv doctor`: from the files here to the key there, what is wrong, and what to do about it."""

from __future__ import annotations

import datetime
import email.utils
import json
import re
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from . import VERSION
from .app import App
from .cache import DESCRIPTION
from .client import Client, Request, Unreachable
from .config import exposure, loopback
from .failures import (
    FORBIDDEN,
    OTHER,
    SERVER,
    SIGN_IN,
    USAGE,
    Failure,
    Refused,
    body_of,
    reason_of,
    why_unauthenticated,
)
from .words import harmless, say

SERVED = "1"  # the version of the API that this program speaks
DRIFT = 60  # seconds between two clocks
SOON = 14 * 24 * 3600  # seconds to the end of a key
SESSION_SOON = 3600  # a session lives for a day: the last hour


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `state`: ok, warning or wrong; `code`: the exit code, when it is the first that is wrong."""

    check: str
    state: str
    told: str
    todo: str = ""
    code: int = 0


def examine(app: App, output: str) -> int:
    """Tells all findings; the exit code is that of the first that is wrong."""
    findings = []
    for finding in _findings(app):
        findings.append(finding)
        if output == "table":
            _tell(app, finding)
    if output == "json":
        shown = [{key: value for key, value in asdict(one).items() if key != "code"} for one in findings]
        wrong = any(one.state == "wrong" for one in findings)
        json.dump({"well": not wrong, "findings": shown}, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    return next((one.code for one in findings if one.state == "wrong"), 0)


def _tell(app: App, finding: Finding) -> None:
    from rich.console import Console
    from rich.text import Text

    mark, style = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "bold red")}[finding.state]
    console = Console(no_color="NO_COLOR" in app.environment, highlight=False, soft_wrap=True)
    console.print(Text(f"{mark} ", style=style) + Text(harmless(finding.told), style=""))
    if finding.todo:
        console.print(Text(f"    → {harmless(finding.todo)}"))


def _findings(app: App) -> Iterator[Finding]:
    exposed = list(_files(app))
    yield from exposed
    if exposed:
        return
    try:
        configuration = app.configuration
        client = app.client if configuration.url else None
    except Failure as failure:
        yield Finding("configuration", "wrong", str(failure), " ".join(failure.lines[1:]).strip(), failure.code)
        return
    if client is None:
        yield Finding(
            "address",
            "wrong",
            say("L'adresse du serveur n'est dite nulle part.", "The server's address is said nowhere."),
            "rdv sign-in --server https://rdv.agence.example",
            USAGE,
        )
        return
    yield Finding("address", "ok", f"{configuration.url} ({configuration.url_origin}, {configuration.profile})")
    if client.url.startswith("http:") and not loopback(client.url):
        yield Finding(
            "encryption",
            "warning",
            say(
                "L'adresse est en http:// : les clés circulent en clair.",
                "The address is http://: keys travel in clear.",
            ),
            say("Demandez l'adresse en https:// du serveur.", "Ask for the server's https:// address."),
        )
    response = yield from _reached(client)
    if response is None:
        return
    yield from _clock(response)
    if not (yield from _ours(client, response)):
        return
    yield from _credential(app, client)


def _files(app: App) -> Iterator[Finding]:
    for path in (app.files.written, app.files.kept):
        try:
            secret = path == app.files.kept or bool(re.search(r"^\s*token\s*=", path.read_text(errors="replace"), re.M))
        except OSError:
            continue
        told = exposure(path, secret)
        if told:
            renew = say(" ; si d'autres ont pu la lire, changez la clé", "; if others may have read it, change the key")
            yield Finding("files", "wrong", told, f"chmod 600 {path}{renew}", USAGE)


def _asked(client: Client, path: str, **more: Any) -> httpx.Response:
    """The answer, whatever its status."""
    try:
        return client.send(Request("GET", path, tries=1, **more))
    except Refused as refused:
        return refused.response


def _reached(client: Client) -> Generator[Finding, None, httpx.Response | None]:
    try:
        started = time.monotonic()
        response = _asked(client, "/api", anonymous=True)
    except Unreachable as away:
        todo = {
            "dns": say(
                "Vérifiez le nom dans l'adresse, et le réseau (VPN ?).",
                "Check the name in the address, and the network (VPN?).",
            ),
            "refused": say(
                "Vérifiez le port ; sur cette machine : make serve.", "Check the port; on this machine: make serve."
            ),
            "tls": say(
                "Si l'autorité est celle de l'agence, nommez son fichier : ca = \"…\" dans le profil ; si elle est "
                "en http, dites-la ainsi ; sinon, n'insistez pas.",
                'If the authority is your agency\'s own, name its file: ca = "…" in the profile; if the address is '
                "http, say so; else do not insist.",
            ),
        }.get(
            away.why, say("Vérifiez l'adresse, le réseau et le proxy.", "Check the address, the network and the proxy.")
        )
        yield Finding(f"reach:{away.why}", "wrong", str(away), todo, SERVER)
        return None
    yield Finding(
        "reach",
        "ok",
        say(
            f"Il répond, en {1000 * (time.monotonic() - started):.0f} ms.",
            f"It answers, in {1000 * (time.monotonic() - started):.0f} ms.",
        ),
    )
    return response


def _clock(response: httpx.Response) -> Iterator[Finding]:
    try:
        theirs = email.utils.parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return
    drift = time.time() - theirs
    if abs(drift) > DRIFT:
        way = say("avance", "ahead") if drift > 0 else say("retarde", "behind")
        span = str(datetime.timedelta(seconds=abs(round(drift))))
        yield Finding(
            "clock",
            "wrong",
            say(
                f"L'horloge de cette machine {way} de {span} sur celle du serveur.",
                f"The clock of this machine is {span} {way} of the server's.",
            ),
            say(
                "Mettez-la à l'heure (timedatectl set-ntp true) : fins de clés et jetons en dépendent.",
                "Set it (timedatectl set-ntp true): the ends of keys and tokens count on it.",
            ),
            OTHER,
        )
    else:
        yield Finding("clock", "ok", say("Les horloges s'accordent.", "The clocks agree."))


def _ours(client: Client, response: httpx.Response) -> Generator[Finding, None, bool]:
    """Whether it is an RDV server, that speaks our version of the API."""
    server = response.headers.get("x-rdv-server")
    body = body_of(response)
    if server is None and body.get("name") != "RDV":
        if response.status_code >= 500:
            yield Finding(
                "server",
                "wrong",
                say(
                    f"Ce qui est devant le serveur répond {response.status_code}.",
                    f"What stands before the server answers {response.status_code}.",
                ),
                say(
                    "Le serveur est sans doute arrêté : voyez avec qui l'administre.",
                    "The server is probably stopped: see who runs it.",
                ),
                SERVER,
            )
            return False
        other = response.headers.get("server") or response.headers.get("content-type", "?")
        moved = response.headers.get("location") if response.is_redirect else None
        yield Finding(
            "server",
            "wrong",
            say(f"Ce n'est pas un serveur RDV ({other}).", f"This is no RDV server ({other}).")
            + (say(f" Il renvoie à {moved}.", f" It redirects to {moved}.") if moved else ""),
            say(
                "Vérifiez l'adresse et le port : elle va jusqu'avant /api.",
                "Check the address and the port: it goes up to before /api.",
            ),
            OTHER,
        )
        return False
    if response.status_code != 200:
        yield Finding(
            "server", "wrong", str(Refused(response)), say("Voyez avec qui l'administre.", "See who runs it."), SERVER
        )
        return False
    version = str(body.get("version") or server)
    versions = body.get("versions")
    if isinstance(versions, list):
        states = {str(one.get("version")): one.get("state", "") for one in versions if isinstance(one, dict)}
        if SERVED not in states:
            yield _no_version(list(states))
            return False
        if states[SERVED] == "deprecated":
            yield Finding(
                "api",
                "warning",
                say(
                    f"La version {SERVED} de l'API va disparaître de ce serveur.",
                    f"Version {SERVED} of the API will leave this server.",
                ),
                say("Prenez la nouvelle version de rdv.", "Take the new version of rdv."),
            )
    described = _asked(client, DESCRIPTION, anonymous=True)
    if described.status_code == 403:
        yield Finding(
            "api", "wrong", str(Refused(described)), say("Voyez avec qui l'administre.", "See who runs it."), FORBIDDEN
        )
        return False
    if described.status_code != 200 or "paths" not in body_of(described):
        yield _no_version([])
        return False
    if version.split(".")[:2] != VERSION.split(".")[:2]:
        yield Finding(
            "version",
            "warning",
            say(
                f"Le serveur est RDV {version}, ce programme rdv {VERSION}.",
                f"The server is RDV {version}, this program rdv {VERSION}.",
            ),
            say(
                f"Les commandes suivent le serveur ; au moindre doute, installez rdv {version}.",
                f"Commands follow the server; when in doubt, install rdv {version}.",
            ),
        )
    else:
        yield Finding("server", "ok", f"RDV {version}, API {SERVED}")
    return True


def _no_version(served: list[str]) -> Finding:
    told = say(f"Ce serveur n'a pas la version {SERVED} de l'API.", f"This server has no version {SERVED} of the API.")
    return Finding(
        "api",
        "wrong",
        told + (say(f" Il a : {', '.join(served)}.", f" It has: {', '.join(served)}.") if served else ""),
        say("Prenez la version de rdv qui va avec ce serveur.", "Take the version of rdv that goes with this server."),
        OTHER,
    )


def _credential(app: App, client: Client) -> Iterator[Finding]:
    elsewhere = app.configuration.elsewhere
    if client.credential is None:
        told = say("Personne n'est connecté.", "Nobody is signed in.")
        if elsewhere:
            told += say(
                f" Ce qui est gardé l'est pour {elsewhere}, et n'est envoyé nulle part ailleurs.",
                f" What is kept is for {elsewhere}, and is sent nowhere else.",
            )
        yield Finding("credential", "wrong", told, f"rdv sign-in --server {client.url}", SIGN_IN)
        return
    response = _asked(client, "/api/v1/token")
    if response.status_code == 401:
        reason = reason_of(response) or "missing"
        sentence = why_unauthenticated(response)
        origin = client.credential.origin
        yield Finding(
            f"credential:{reason}",
            "wrong",
            say(f"La clé de {origin} est refusée.", f"The key of {origin} is refused."),
            sentence,
            SIGN_IN,
        )
        return
    if response.status_code != 200:
        yield Finding("credential", "wrong", "; ".join(Refused(response).lines[:2]), "", Refused(response).code)
        return
    token = body_of(response).get("token") or {}
    owner = token.get("owner") or {}
    who = owner.get("email") or owner.get("name") or "?"
    yield Finding("credential", "ok", f"{who} ({token.get('kind', '?')}, {client.credential.origin})")
    yield from _end(token)


def _end(token: dict[str, Any]) -> Iterator[Finding]:
    text = token.get("expires_at")
    if not isinstance(text, str):
        return
    try:
        end = datetime.datetime.fromisoformat(re.sub(r"^(\S+) (\S+) (\S+)$", r"\1T\2\3", text))
    except ValueError:
        return
    if end.tzinfo is None:
        return
    left = end.timestamp() - time.time()
    session = str(token.get("kind", "")) not in ("personal_token", "api_account_token")
    if left < (SESSION_SOON if session else SOON):
        yield Finding(
            "end",
            "warning",
            say(f"Elle finit bientôt : {text}.", f"It ends soon: {text}."),
            "rdv sign-in"
            if session
            else say(
                "Prenez-en une autre : rdv tokens create, ou la page /cles.",
                "Take another: rdv tokens create, or the page /cles.",
            ),
        )
