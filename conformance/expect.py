"""The answers that many sections share, each with the wording of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

SIGN_IN_FIRST = "Vous devez vous connecter ou vous inscrire pour continuer."
FORBIDDEN = "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"
FORBIDDEN_ORGANISATION = "Vous n’avez pas les droits suffisants pour accéder à cette organisation"
BAD_CREDENTIALS = "Mot de passe ou identifiant invalide."
BLANK = "doit être rempli(e)"
MUST_EXIST = "doit exister"
DATE = "n'est pas une date valide (format attendu : YYYY-MM-DD, par exemple 2021-10-21)"
TIME = "n'est pas une heure valide (format attendu : H:m[:s], par exemple 10:30)"
MIDNIGHT = "n'est pas une heure valide (24:00 n'existe pas : indiquez 00:00 du jour suivant)"

JSON = "application/json; charset=utf-8"


def media(answer: httpx.Response) -> str:
    """The content type, written in one way."""
    return str(answer.headers.get("Content-Type", "")).replace(" ", "").lower().replace(";", "; ")


def body(answer: httpx.Response, status: int) -> Any:
    """The JSON of an answer with this status."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}"
    return answer.json()


def only(document: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Nothing but what is expected, but for the keys that RDV adds to errors."""
    assert {key: value for key, value in document.items() if key != "hint"} == expected


def unauthenticated(answer: httpx.Response) -> None:
    only(body(answer, 401), {"errors": [SIGN_IN_FIRST]})


def forbidden(answer: httpx.Response, sentence: str = FORBIDDEN) -> None:
    only(body(answer, 403), {"errors": [{"base": "forbidden"}], "error_messages": [sentence]})


def not_found(answer: httpx.Response, kind: str) -> None:
    only(body(answer, 404), {"not_found": kind})


def refused(answer: httpx.Response, status: int, *sentences: str) -> None:
    """The envelope of `auth/*`."""
    only(body(answer, status), {"success": False, "errors": list(sentences)})


def bad_request(answer: httpx.Response) -> None:
    document = body(answer, 400)
    assert document["success"] is False
    assert document["errors"] == [{"base": "bad_request"}]
    (sentence,) = document["error_messages"]
    assert sentence


def invalid(answer: httpx.Response, errors: Mapping[str, Sequence[Mapping[str, Any]]], messages: Sequence[str]) -> None:
    """422 with these errors, in this order, and nothing else (contract 1.8)."""
    document = body(answer, 422)
    assert document["success"] is False
    assert list(document["errors"]) == list(errors)
    assert document["errors"] == errors
    assert document["error_messages"] == list(messages)


def blank(answer: httpx.Response, *attributes: str) -> None:
    """422: these values are missing."""
    words = {name: MUST_EXIST if name == "agent" else BLANK for name in attributes}
    invalid(
        answer,
        {name: [{"error": "blank"}] for name in attributes},
        [f"{name} {sentence}" for name, sentence in words.items()],
    )


def in_order(document: Any) -> None:
    """`id` first, then the other keys by the alphabet, at every level (contract 1.5)."""
    if isinstance(document, list):
        for one in document:
            in_order(one)
    if isinstance(document, dict):
        keys = [key for key in document if key != "id"]
        assert keys == sorted(keys)
        assert "id" not in document or next(iter(document)) == "id"
        for one in document.values():
            in_order(one)


def offered(is_offered: object, what: str) -> None:
    """Skips what RDV has beside the contract where a server has it not."""
    if not is_offered:
        pytest.skip(f"an addition that this server does not offer: {what}")
