"""`rdv sign-in` and `rdv sign-out`: who one is, kept in a file of one's own."""

from __future__ import annotations

import getpass
import sys
from typing import Any

import click

from .app import App
from .client import Client, Request
from .config import TRIPLE, Credential, base_of, configure
from .failures import OTHER, USAGE, Failure, Refused, body_of
from .words import say

SIGN_IN, SIGN_OUT, TOKEN = "/api/v1/auth/sign_in", "/api/v1/auth/sign_out", "/api/v1/token"
LOCAL = "http://127.0.0.1:8000"


def sign_in(app: App, *, email: str | None, key: bool, password_stdin: bool) -> None:
    """Asks for what is needed, tries it, and keeps what the server answers."""
    if app.server is None and app.configuration.url is None:
        app.server = _asked(say(f"Adresse du serveur [{LOCAL}] : ", f"Address of the server [{LOCAL}]: ")) or LOCAL
        del app.configuration
    url = base_of(app.server, "--server") if app.server else str(app.configuration.url)
    app.__dict__["configuration"] = configure(
        app.environment, app.files, profile=app.profile, url=url, act_for=app.act_for
    )
    kept = _key(app, url) if key else _password(app, url, email, password_stdin)
    with app.files.changing() as profiles:
        profiles[app.configuration.profile] = kept
    place = say(f"gardé dans {app.files.kept}", f"kept in {app.files.kept}")
    app.note(say(f"Connecté à {url} : {kept['who']} ({place}).", f"Signed in at {url}: {kept['who']} ({place})."))
    if app.environment.get("RDVCLI_TOKEN"):
        app.tell(say("RDVCLI_TOKEN l'emporte sur cette connexion.", "RDVCLI_TOKEN wins over this session."))


def _key(app: App, url: str) -> dict[str, Any]:
    token = _secret(say("Clé d'accès : ", "Access key: "))
    client = app.client
    client.credential = Credential.of_token(token, say("La saisie", "What was typed"))
    shown = body_of(client.get(TOKEN)).get("token", {})
    owner = shown.get("owner") or {}
    return {"server": url, "token": token, "who": owner.get("email") or owner.get("name") or ""}


def _password(app: App, url: str, email: str | None, from_stdin: bool) -> dict[str, Any]:
    email = email or _asked(say("Adresse électronique : ", "Email: "))
    password = sys.stdin.readline().removesuffix("\n") if from_stdin else _secret(say("Mot de passe : ", "Password: "))
    client: Client = app.client
    # The client of a session that still lives is renewed in its place: it takes no other's.
    previous = client.credential
    headers = {}
    if previous and previous.is_triple and previous.kept and previous.headers["uid"] == email:
        headers = dict(previous.headers)
    response = client.send(
        Request("POST", SIGN_IN, headers=headers, body={"email": email, "password": password}, anonymous=True)
    )
    triple = {name: response.headers.get(name, "") for name in TRIPLE}
    if not all(triple.values()):
        raise Failure(OTHER, say("Le serveur n'a pas donné de jeton.", "The server gave no token."), "  rdv doctor")
    return {"server": url, **triple, "expiry": response.headers.get("expiry", ""), "who": triple["uid"]}


def sign_out(app: App, *, everywhere: bool) -> None:
    """Ends the session at the server, then forgets it; a key is forgotten, and lives on."""
    name = app.configuration.profile
    kept = app.files.credentials().get(name)
    if not kept:
        app.note(say("Personne n'était connecté.", "Nobody was signed in."))
        return
    if "access-token" in kept:
        app.__dict__["configuration"] = configure(
            {**app.environment, "RDVCLI_TOKEN": ""}, app.files, profile=name, url=kept["server"]
        )
        app.client.credential = Credential({one: kept[one] for one in TRIPLE}, str(app.files.kept))
        try:
            app.client.send(Request("DELETE", SIGN_OUT, query=[("everywhere", "true")] if everywhere else ()))
        except Refused as refused:
            if refused.response.status_code not in (401, 404):  # it had ended already
                raise
    elif everywhere:
        raise Failure(
            USAGE,
            say(
                "--everywhere met fin à des connexions ; une clé se supprime avec rdv token delete.",
                "--everywhere ends sessions; a key is ended with rdv token delete.",
            ),
        )
    with app.files.changing() as profiles:
        profiles.pop(name, None)
    app.note(say("Déconnecté.", "Signed out."))


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise Failure(
            USAGE,
            say(
                "Il manque de quoi se connecter, sans personne pour le taper : --server, --email, --password-stdin.",
                "Something is missing to sign in, and nobody is there to type it: --server, --email, --password-stdin.",
            ),
        )
    return str(click.prompt(question, prompt_suffix="", default="", show_default=False, err=True)).strip()


def _secret(question: str) -> str:
    """A secret: unseen as it is typed, or the first line of the standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(question).strip()
    return sys.stdin.readline().strip()
