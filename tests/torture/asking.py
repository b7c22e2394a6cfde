"""What schemathesis is told of this server when it asks whatever the description allows (`test_description.py`).

Who asks: Martine; for what ends a credential or changes a password, Camille, whose tokens may come and go. Tokens are
issued beside the server, in its database, so that neither a changed password nor a sign-out ends the run.

What JSON Schema has no words for: a request may fit its schema and still be refused. `refused_by_a_rule` holds each
such refusal to the rules below, so that the check for it need not be switched off.
"""

from __future__ import annotations

import ast
import json
import os
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rdv.settings")
django.setup()

import schemathesis  # noqa: E402

from agents.authentication import TripleCredential  # noqa: E402
from agents.models import Agent, ClientToken  # noqa: E402

# Two of its workers may not parse at once in Python 3.11, where a thread fails with the depth of the other
# (python/cpython#106905); hypothesis parses lambdas to name them.
_parse, _one_parses = ast.parse, threading.Lock()


def _parse_alone(*args: Any, **kwargs: Any) -> Any:
    with _one_parses:
        return _parse(*args, **kwargs)


ast.parse = _parse_alone

MARTINE, CAMILLE = "martine@demo.rdv-solidarites.fr", "camille.nicolas@demo.rdv-solidarites.fr"

# What a failure of a value may be, beyond its type; of which parameters, None: of any.
RULES: dict[str, tuple[str, ...] | None] = {
    "inclusion": None,  # an id, or a name, of something that is not there for the caller
    "taken": None,  # another row has it
    "too_long": ("reason",),  # trimmed, in a form; its schema bounds it otherwise
    # Said of an agent who does not exist; of a text of blanks that JSON Schema's \S takes for one (U+001C to U+001F);
    # of what a form says twice, the last time empty.
    "blank": (
        *("agent", "title", "name", "first_day", "start_time", "end_time", "phone_number", "email", "verticale"),
        # One of several is needed, or a text that is not empty.
        *("agent_ids", "organisation_id", "file", "absences", "periods", "target_url", "secret"),
    ),
    # Days that no calendar has; cursors that this server did not write; what telephones and mail servers know.
    "invalid": (
        *("first_day", "end_day", "from", "to", "starts_after", "starts_before", "changed_since", "expires_at"),
        *("cursor", "phone_number", "email", "resources", "organisations"),
        # Days of which no rule has any; a day beside a period; names of what was never there; addresses of nowhere.
        *("rrule", "exdates", "on", "sync_token", "after", "day", "target_url", "external_id", "external_ids", "file"),
        # Other filters than those of a token; agents and periods beside whole absences.
        *("agent_id", "service_id", "organisation_id", "absences"),
    ),
    "past": ("expires_at",),
    # Rules between two values that have a code.
    "several_targets": None,
    "noon_outside_day": None,
    "given_with_period": None,
    "half_of_one_day": None,
    "not_yours": None,
    "on_holiday": None,
    "contradiction": None,
    "too_many": None,
    "period_too_long": None,
    "other_agent": None,
    "empty": ("resources", "organisations"),
}
# Rules between two values have a sentence for a code (contract 1.10).
SENTENCES = (
    "doit être après le début.",
    "ne peut pas être avant 2018",
    "ne peut pas être dans plus de 5 ans",
    "Le début de la récurrence ne correspond pas au premier jour.",
    "La fin de la récurrence doit être après le premier jour.",
    "pas possible avec une indisponibilité de plusieurs jours",
)


class NotByARule(AssertionError):
    """A request that fits the description was refused, and none of the rules says why."""


def triple(email: str) -> dict[str, str]:
    agent = Agent.objects.get(email=email)
    token, secret = ClientToken.objects.issue(agent)
    issued = TripleCredential(token, secret, fresh=True).triple()
    return {name: issued[name] for name in ("access-token", "client", "uid")}


@schemathesis.auth(refresh_interval=None)
class Triple:
    """The three headers of `auth/sign_in`."""

    kept: dict[str, str] | None = None

    def get(self, case: Any, context: Any) -> dict[str, str]:
        if case.operation.path.startswith(("/api/v1/auth", "/api/v1/token")) and "tokens" not in case.operation.path:
            return triple(CAMILLE)
        Triple.kept = Triple.kept or triple(MARTINE)
        return Triple.kept

    def set(self, case: Any, data: dict[str, str], context: Any) -> None:
        case.headers = {**(case.headers or {}), **data}


@schemathesis.check
def refused_by_a_rule(ctx: Any, response: Any, case: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    sent, said = response.request, response.text
    match response.status_code:
        case 400:
            fair = (
                _unspeakable(sent)
                or _overfull(sent)
                or ("bad_idempotency_key" in said and "Idempotency-Key" in sent.headers)
                or ("unknown_parameter" in said and "handling" in sent.headers.get("Prefer", ""))
            )
        case 411:  # a form of nothing, which requests sends in chunks
            fair = "Content-Length" not in sent.headers
        case 412:
            fair = "If-Match" in sent.headers
        case 422:
            password = case.operation.path == "/api/v1/auth/password"  # its rules have sentences alone
            fair = password or all(_is_a_rule(name, failure) for name, failure in _failures(json.loads(said)))
        case status:
            fair = status not in (406, 413, 415)
    if not fair:
        raise NotByARule(f"{response.status_code}: {said}")


def _is_a_rule(name: str, failure: str) -> bool:
    names = RULES.get(failure, ())
    return failure in SENTENCES or names is None or name in names


def _failures(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(parameter, code) of each failure of a value; a key that is reused for another request is none."""
    errors = body["errors"]
    if isinstance(errors, list):
        return [] if errors == [{"base": "idempotency_key_reused"}] else [("", str(errors))]
    return [(name, one["error"]) for name in errors for one in errors[name]]


def _overfull(sent: Any) -> bool:
    """Whether a form has more fields than Django counts."""
    body = sent.body or b""
    return (
        "form" in sent.headers.get("Content-Type", "") and body.count(b"&" if isinstance(body, bytes) else "&") >= 1000
    )


def _unspeakable(sent: Any) -> bool:
    """Whether the request carries a NUL character, which no parameter may have."""
    body = sent.body or b""
    body = body.encode() if isinstance(body, str) else body
    values = parse_qs(urlsplit(sent.url).query, keep_blank_values=True)
    return (
        "\x00" in sent.url
        or "%00" in sent.url
        or any("\x00" in text for name, texts in values.items() for text in (name, *texts))
        or b"\\u0000" in body
        or b"%00" in body
        or b"\x00" in body
    )
