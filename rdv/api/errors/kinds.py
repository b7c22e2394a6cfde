"""What can go wrong: exceptions that know their status, code, sentence and body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ValidationError,
)
from django.db import models
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.request import Request

from ..messages import NOT_INCLUDED, TOO_LONG
from ..schema import Sentence, Shape
from .bodies import CODED, INVALID_RECORD, MISSING, TOLD

# What a 401 answers to somebody who sent no credential at all (RFC 9110 11.6.1).
CHALLENGE = 'Bearer realm="rdv"'

# What a failure may say of itself beside the extra keys of the wire: the name under which the contract shows it, the
# parameter by which it was sent, whether that is one of the address, and its code where the contract has a sentence.
_UNSEEN = ("attribute", "parameter", "in_address", "problem")

FORBIDDEN = gettext_lazy(
    "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"  # noqa: RUF001
)


def _in_french(message: Any) -> str:
    """The sentence that stands for the code of a rule without one (contract 1.8): codes are never translated."""
    with translation.override("fr"):
        return str(message)


def _in_wire_words(failure: ValidationError) -> tuple[str | None, Any, dict[str, Any]]:
    """(code, sentence, extra keys) of a failure, Django's own codes replaced by the contract's (1.10)."""
    params = {key: value for key, value in (failure.params or {}).items() if key not in _UNSEEN}
    match failure.code:
        case "null" | "blank" | "required":
            return "blank", failure.message, {}
        case "max_length":
            return "too_long", TOO_LONG, {"count": params["limit_value"]}
        case "invalid_choice":
            return "inclusion", NOT_INCLUDED, params
    return failure.code, failure.message, params


class WireError(exceptions.APIException):
    """An error that renders itself: `status_code`, `body()` and the `headers` that go with it."""

    code = "error"
    shape: Shape = CODED  # of the body
    content_type: str | None = None
    hint: str | None = None
    # Of a refusal: whose credential it was, when it is a known one that was not accepted.
    presented: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}

    def of(self, presented: Any) -> Self:
        """This refusal, of that credential."""
        self.presented = presented
        return self

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer, contract 1.7."""
        return {"success": False, "errors": [{"base": self.code}], "error_messages": [self.sentence()]}

    def sentence(self) -> str:
        """One sentence for a person, in the language of the request."""
        raise NotImplementedError

    def extensions(self, request: HttpRequest | Request | None) -> dict[str, Any]:
        """What an `application/problem+json` says of it beyond what each one has (RFC 9457 section 3.2)."""
        return {}


class MalformedRequest(WireError):
    """400: what was sent cannot be read at all. `sentence` says what, `hint` (optional) where."""

    status_code = status.HTTP_400_BAD_REQUEST
    code = "bad_request"

    def __init__(self, sentence: str | None = None, hint: str | None = None) -> None:
        super().__init__()
        self._sentence = sentence
        self.hint = hint

    def sentence(self) -> str:
        return self._sentence or _("La requête est mal formée.")


class ConflictingCredentials(MalformedRequest):
    """400: two credentials that are not the same. Which of them counts must not be a matter of chance."""

    code = "conflicting_credentials"

    def sentence(self) -> str:
        return _("La requête porte deux identités différentes. N'en envoyez qu'une.")


class Unauthenticated(WireError):
    """401 on a resource. The body never says why; `WWW-Authenticate` does, in the form of RFC 6750 section 3.

    `reason`: None when no credential was sent, else `expired`, `revoked`, `deactivated`, `agent_disabled`,
    `account_disabled` or `unknown`.
    """

    status_code = status.HTTP_401_UNAUTHORIZED
    code = "unauthenticated"
    shape = TOLD

    def __init__(self, reason: str | None = None) -> None:
        super().__init__()
        self.reason = reason
        why = f'Bearer error="invalid_token", error_description="{reason}", realm="rdv"'
        self.headers["WWW-Authenticate"] = why if reason else CHALLENGE

    def sentence(self) -> str:
        return _("Vous devez vous connecter ou vous inscrire pour continuer.")

    def body(self) -> dict[str, Any]:
        return {"errors": [self.sentence()]}


class Forbidden(WireError):
    """403: the record exists, the right is missing. `sentence`: one of contract 1.9, the default one if not given."""

    status_code = status.HTTP_403_FORBIDDEN
    code = "forbidden"

    def __init__(self, sentence: Sentence | None = None) -> None:
        super().__init__()
        self._sentence = sentence

    def sentence(self) -> str:
        return str(self._sentence or FORBIDDEN)

    def body(self) -> dict[str, Any]:
        return {"errors": [{"base": self.code}], "error_messages": [self.sentence()]}


class InsufficientScope(Forbidden):
    """403: the caller may, their key may not (RFC 6750 3.1)."""

    code = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__()
        self.headers["WWW-Authenticate"] = 'Bearer error="insufficient_scope", realm="rdv"'

    def sentence(self) -> str:
        return _("La clé utilisée ne donne pas le droit d'effectuer cette action.")


class SwitchedOff(Forbidden):
    """403: whoever runs this server has switched it off. `code` and `sentence` say what."""

    def __init__(self, code: str, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.code = code


API_OFF = SwitchedOff("api_disabled", gettext_lazy("L'API est désactivée sur ce serveur."))


class UnknownRoute(WireError):
    """404 for an address that leads nowhere."""

    status_code = status.HTTP_404_NOT_FOUND
    code = "not_found"
    shape = TOLD

    def sentence(self) -> str:
        return _("Cette adresse ne mène nulle part.")

    def body(self) -> dict[str, Any]:
        return {"success": False, "errors": [self.code]}


class NotFound(WireError):
    """404 in the short form: `{"not_found": "absence"}`."""

    status_code = status.HTTP_404_NOT_FOUND
    code = "not_found"
    shape = MISSING

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def sentence(self) -> str:
        return _("Ce que nomme la requête n'existe pas : %(kind)s.") % {"kind": self.kind}

    def extensions(self, request: HttpRequest | Request | None) -> dict[str, Any]:
        return {"resource": self.kind}

    def body(self) -> dict[str, Any]:
        return {"not_found": self.kind}


class RecordNotFound(NotFound):
    """404 in the long form, English on the wire: `Couldn't find Organisation with 'id'=999`."""

    shape = TOLD

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(kind)
        self.key = key

    def body(self) -> dict[str, Any]:
        return {"success": False, "errors": [f"Couldn't find {self.kind.capitalize()} with 'id'={self.key}"]}


class MethodNotAllowed(WireError):
    """405. `Allow` is set by the view that refuses."""

    status_code = status.HTTP_405_METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method

    def sentence(self) -> str:
        return _("La méthode %(method)s n'est pas acceptée à cette adresse.") % {"method": self.method}


class PayloadTooLarge(WireError):
    """413: the body is longer than `limit` bytes; it is not read further."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    code = "payload_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def sentence(self) -> str:
        return _("Le corps de la requête dépasse %(limit)s octets.") % {"limit": self.limit}


class UnreadableBody(WireError):
    """415: a change was asked for in a body of a type that we do not read."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"

    def __init__(self, hint: str | None = None) -> None:
        super().__init__()
        self.hint = hint

    def sentence(self) -> str:
        return _("Le type du corps de la requête n'est pas pris en charge.")


class Invalid(WireError):
    """422: an invalid record, contract 1.8.

    `failures` keeps Django's ValidationErrors by attribute, in the order in which they must be shown. A failure
    without code is shown by its sentence; its `params` become extra keys (`value`, `count`, `format`).
    """

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    code = "invalid_parameters"
    shape = INVALID_RECORD

    def __init__(self, failures: Mapping[str, list[ValidationError]], hint: str | None = None) -> None:
        super().__init__()
        self.failures = failures
        self.hint = hint

    @classmethod
    def about(cls, row: models.Model) -> Self:
        """What is wrong with a row by the rules of its model, as an example."""
        try:
            row.clean()
        except ValidationError as error:
            return cls(error.error_dict)
        raise ValueError("a row with nothing wrong")

    def _each(self) -> Iterator[tuple[str, str, ValidationError]]:
        """Each failure, with its attribute and the name under which it is shown."""
        for attribute, failures in self.failures.items():
            for failure in failures:
                # A rule may show itself under a name that is not a column, as `ends_time` does.
                name = (failure.params or {}).get("attribute", attribute)
                yield attribute, "base" if name == NON_FIELD_ERRORS else name, failure

    def reasons(self) -> Iterator[tuple[str, str, str, str]]:
        """Each failure: its attribute, the name under which it is shown, its code, its sentence without a name."""
        for attribute, name, failure in self._each():
            code, message, extra = _in_wire_words(failure)
            code = code or (failure.params or {}).get("problem", "invalid")
            yield attribute, name, code, str(message) % extra if extra else str(message)

    def body(self) -> dict[str, Any]:
        errors: dict[str, list[dict[str, Any]]] = {}
        messages = []
        for _attribute, name, failure in self._each():
            code, message, extra = _in_wire_words(failure)
            errors.setdefault(name, []).append({"error": code or _in_french(message)} | extra)
            messages.append(_told(name, message, extra))
        return {"success": False, "errors": errors, "error_messages": messages}

    def sentence(self) -> str:
        return "; ".join(self.body()["error_messages"])

    def extensions(self, request: HttpRequest | Request | None) -> dict[str, Any]:
        """Each failure, with a JSON pointer (RFC 6901) into the parameters of the request, which are one set wherever
        they were sent; of one that stood in the address, its name there too.
        """
        in_address = {name.removesuffix("[]") for name in request.GET} if request is not None else set()
        errors = []
        for attribute, name, failure in self._each():
            params = failure.params or {}
            code, message, extra = _in_wire_words(failure)
            sent = params.get("parameter", attribute)
            where = {"pointer": "#" if sent == NON_FIELD_ERRORS else _pointer(sent)}
            if sent in in_address or params.get("in_address"):
                where["parameter"] = sent
            what = {"code": code or params.get("problem", "invalid"), "detail": _told(name, message, extra)}
            errors.append(where | what | {key: value for key, value in extra.items() if key not in where | what})
        return {"errors": errors}


def _told(name: str, message: Any, extra: Mapping[str, Any]) -> str:
    return f"{name} {str(message) % extra if extra else message}"


def _pointer(name: str) -> str:
    """A JSON pointer to a member, as a fragment of an address (RFC 6901 sections 3 and 6)."""
    return "#/" + quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


class TooManyRequests(WireError):
    """429, contract 1.7: `wait` seconds until a new try may succeed, `limit` tries allowed in a window."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    code = "too_many_requests"
    shape = TOLD
    content_type = "application/json"  # without charset, contract 1.1

    def __init__(self, wait: float, limit: int) -> None:
        super().__init__()
        seconds = str(max(1, int(wait + 0.999)))
        self.headers |= {"Retry-After": seconds, "RateLimit-Limit": str(limit), "RateLimit-Remaining": "0"}

    def sentence(self) -> str:
        return _("Limite d'appels API atteinte. Merci de patienter.\n")

    def body(self) -> dict[str, Any]:
        return {"errors": [self.sentence()]}


class Busy(WireError):
    """503: more is asked than can be done in time. A try in `Retry-After` seconds may succeed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    code = "service_unavailable"

    def __init__(self) -> None:
        super().__init__()
        self.headers["Retry-After"] = "1"

    def sentence(self) -> str:
        return _("Le serveur est très sollicité. Merci de réessayer dans un instant.")


class DatabaseUnavailable(WireError):
    """503: the database is away, locked for too long, full, or gave a statement up. Whether a write was done that was
    under way is not known, as when a connection breaks; so the code is not that of Busy.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__()
        self.headers["Retry-After"] = "1"

    def sentence(self) -> str:
        return _("La base de données ne répond pas. Merci de réessayer dans un instant.")


class IdentityProviderUnavailable(WireError):
    """503: the keys of the issuer of a token are not to be had. A try in `wait` seconds may succeed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    code = "identity_provider_unavailable"

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.headers["Retry-After"] = str(max(1, int(wait + 0.999)))

    def sentence(self) -> str:
        return _("Le fournisseur d'identité ne répond pas. Merci de réessayer dans un instant.")


class Refusal(WireError):
    """A plain `{"success":false,"errors":[sentence]}` with the status given: the shape of `auth/*`, contract 2.8. The
    code is told in an `application/problem+json` alone.
    """

    shape = TOLD

    def __init__(
        self, status_code: int, code: str, sentence: Sentence, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status_code = status_code
        self.code = code
        self._sentence = sentence
        self.reason: str | None = None  # as that of Unauthenticated
        if status_code == status.HTTP_401_UNAUTHORIZED:
            self.headers["WWW-Authenticate"] = CHALLENGE
        self.headers |= headers or {}

    def sentence(self) -> str:
        return str(self._sentence)

    def body(self) -> dict[str, Any]:
        return {"success": False, "errors": [self.sentence()]}


class InternalError(WireError):
    """500: our fault. Says nothing of what happened; the log does."""

    status_code = status.HTTP_500_INTERNAL_SERVER_ERROR
    code = "internal_server_error"

    def sentence(self) -> str:
        return _("Une erreur interne est survenue.")
