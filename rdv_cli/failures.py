"""What can go wrong, and with which exit code it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from .words import say

# Documented in docs/cli.md and in each manual page.
DONE, OTHER, USAGE, SIGN_IN, FORBIDDEN, NOT_FOUND, INVALID, CONFLICT, SERVER = range(9)
INTERRUPTED = 130  # 128 and SIGINT
BROKEN_PIPE = 141  # 128 and SIGPIPE

BY_STATUS = {
    401: SIGN_IN,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    422: INVALID,
    428: CONFLICT,
    429: SERVER,
}


def exit_codes() -> dict[int, str]:
    return {
        DONE: say("fait", "done"),
        OTHER: say("autre refus ou erreur", "another refusal or error"),
        USAGE: say("commande, option ou configuration incorrecte", "wrong command, option or configuration"),
        SIGN_IN: say("pas d'identification valable (401)", "no valid credential (401)"),
        FORBIDDEN: say("droits insuffisants (403)", "not allowed (403)"),
        NOT_FOUND: say("introuvable (404)", "not found (404)"),
        INVALID: say("valeurs refusées (422)", "values refused (422)"),
        CONFLICT: say(
            "conflit avec un autre changement (409, 412, 428)", "in conflict with another change (409, 412, 428)"
        ),
        SERVER: say("serveur injoignable, en erreur ou débordé (5xx, 429)", "server away, failing or busy (5xx, 429)"),
        INTERRUPTED: say("interrompu", "interrupted"),
    }


class Failure(Exception):
    """The end of the command: `code` is its exit code; the lines are for whoever typed it."""

    def __init__(self, code: int, *lines: str) -> None:
        super().__init__(lines[0])
        self.code = code
        self.lines = list(lines)


class Refused(Failure):
    """The server refused, or could not: in its own sentences, with the id of the request."""

    def __init__(self, response: httpx.Response) -> None:
        status = response.status_code
        self.response = response
        self.error = code_of(response)
        code = BY_STATUS.get(status, SERVER if status >= 500 else OTHER)
        super().__init__(code, *_told(response, self.error))


def code_of(response: httpx.Response) -> str | None:
    """The server's code for what went wrong, from either form of its errors."""
    body = body_of(response)
    if isinstance(body.get("code"), str):
        return str(body["code"])
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return errors[0].get("base")
    return "invalid" if isinstance(errors, dict) else None


def body_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; nothing when it is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _told(response: httpx.Response, code: str | None) -> Iterator[str]:
    body = body_of(response)
    sentences, details = _sentences(body)
    otherwise = say("Des valeurs sont refusées", "Values are refused") if details else response.reason_phrase or "HTTP"
    first = body.get("title") or (sentences.pop(0) if sentences else otherwise)
    yield f"{first} ({response.status_code}{f' {code}' if code else ''})"
    for sentence in (*sentences, *details):
        yield f"  {sentence}"
    if body.get("hint"):
        yield f"  {body['hint']}"
    if response.status_code == 401:
        yield f"  {why_unauthenticated(response)}"
    if 300 <= response.status_code < 400:
        yield say("  Le serveur renvoie à ", "  The server redirects to ") + response.headers.get("location", "?")
    wait = response.headers.get("retry-after")
    if wait:
        yield say(f"  À renvoyer après {wait} s.", f"  To be sent again after {wait} s.")
    if response.headers.get("x-request-id"):
        yield say("  Requête ", "  Request ") + response.headers["x-request-id"]


def _sentences(body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The sentences on the whole, and one for each field."""
    errors = body.get("errors")
    if "detail" in body:  # RFC 9457
        details = [
            f"{_field(one)}{one['detail']}" for one in errors or () if isinstance(one, dict) and one.get("detail")
        ]
        return ([] if details else [str(body["detail"]).strip()]), details
    messages = [str(one).strip() for one in body.get("error_messages") or ()]
    if messages:
        return ([], messages) if isinstance(errors, dict) else (messages, [])
    if isinstance(body.get("not_found"), str):
        return [say("Introuvable : ", "Not found: ") + body["not_found"]], []
    return [one.strip() for one in errors or () if isinstance(one, str)] if isinstance(errors, list) else [], []


def _field(error: dict[str, Any]) -> str:
    """The parameter that an error is about, where its sentence does not begin with it already."""
    name = str(error.get("parameter") or str(error.get("pointer", "")).removeprefix("#/").removeprefix("#"))
    return f"{name} : " if name and not str(error["detail"]).startswith(name) else ""


def why_unauthenticated(response: httpx.Response) -> str:
    """What a 401 says of the credential (RFC 6750 section 3), and what to do about it."""
    reason = reason_of(response)
    again = say("Connectez-vous : rdv sign-in.", "Sign in: rdv sign-in.")
    return {
        None: again,
        "expired": say("La clé ou la connexion est expirée. ", "The key or the session has ended. ") + again,
        "revoked": say("La clé ou la connexion a été révoquée. ", "The key or the session was revoked. ") + again,
        "deactivated": say(
            "La clé a été mise de côté : remettez-la en service sur la page /cles, ou prenez-en une autre.",
            "The key was put aside: bring it back on the page /cles, or take another.",
        ),
        "agent_disabled": say(
            "Cet agent n'a plus accès à RDV : voyez avec un administrateur.",
            "This agent may not come in any more: see an administrator.",
        ),
        "account_disabled": say(
            "Ce compte d'API a été mis de côté : voyez avec un administrateur.",
            "This API account was put aside: see an administrator.",
        ),
        "unknown": say(
            "La clé est inconnue de ce serveur : mal recopiée, supprimée, ou d'un autre serveur. ",
            "The key is unknown to this server: mistyped, deleted, or of another server. ",
        )
        + again,
    }.get(reason, f"{reason}. {again}")


def reason_of(response: httpx.Response) -> str | None:
    """The `error_description` of `WWW-Authenticate`; None when no credential was sent."""
    challenge = response.headers.get("www-authenticate", "")
    _before, found, rest = challenge.partition('error_description="')
    return rest.split('"')[0] if found else None


def join(words: Sequence[str]) -> str:
    return ", ".join(words)
