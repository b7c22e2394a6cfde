"""The one way out for anything that goes wrong: exceptions that know their wire form, and the handler that sends them.

Bodies follow contract 1.7 (shapes), 1.8 (invalid records) and 1.9 (403 texts). Codes never change with the language;
sentences are French unless the request asks for English.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import InterfaceError, OperationalError, models
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_guid import get_guid
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from .accept import Form, form_of
from .client import origin
from .messages import NOT_INCLUDED, TOO_LONG
from .problems import PROBLEMS
from .schema import DAY, Sentence, Shape, array, choice, flag, nullable, text

logger = logging.getLogger("django.request")

# What a 401 answers to somebody who sent no credential at all (RFC 9110 11.6.1).
CHALLENGE = 'Bearer realm="rdv"'

PROBLEM = "application/problem+json"  # RFC 9457; it has no charset

# What a failure may say of itself beside the extra keys of the wire: the name under which the contract shows it, the
# parameter by which it was sent, whether that is one of the address, and its code where the contract has a sentence.
_UNSEEN = ("attribute", "parameter", "in_address", "problem")

FORBIDDEN = gettext_lazy(
    "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"  # noqa: RUF001
)


# The bodies of errors (contract 1.7), as the description of the API has them.
_SENTENCES = array(text(), gettext_lazy("Une phrase par erreur, pour une personne."))
_HINT = text(gettext_lazy("Ce qu'il faut sans doute changer, ou l'endroit de l'erreur."))
_VERSIONS = array(
    Shape(
        "Version",
        gettext_lazy("Une version de l'API."),
        {
            "version": text(gettext_lazy("Son numéro.")),
            "state": choice("supported", "deprecated"),
            "path": text(gettext_lazy("Ce par quoi ses adresses commencent.")),
            "since": DAY,
            "deprecated_on": nullable(DAY),
            "sunset_on": nullable(DAY),
        },
    ),
    gettext_lazy("Les versions qu'il y a."),
)
_NEAREST = text(gettext_lazy("Le nom le plus proche, parmi ceux qui sont connus."))
CODED = Shape(
    "CodedError",
    gettext_lazy("Une erreur qui a un code."),
    {
        "success": flag(const=False),
        "errors": array(
            Shape(
                "Code",
                gettext_lazy("Ce qui ne va pas."),
                {
                    "base": text(gettext_lazy("Le code, le même dans toutes les langues.")),
                    "parameter": text(gettext_lazy("Le nom d'un paramètre qui n'est pas connu.")),
                    "did_you_mean": _NEAREST,
                },
                optional=("parameter", "did_you_mean"),
            )
        ),
        "error_messages": _SENTENCES,
        "hint": _HINT,
        "versions": _VERSIONS,
    },
    optional=("success", "hint", "versions"),
)
TOLD = Shape(
    "ToldError",
    gettext_lazy("Une erreur dite par une phrase, ou par son code."),
    {"success": flag(const=False), "errors": _SENTENCES, "hint": _HINT},
    optional=("success", "hint"),
)
MISSING = Shape(
    "MissingRecord",
    gettext_lazy("Ce qui est demandé n'existe pas."),
    {"not_found": text(gettext_lazy("Ce qui n'a pas été trouvé.")), "hint": _HINT},
    optional=("hint",),
)
_FAILURE = Shape(
    "Failure",
    gettext_lazy("Un défaut d'un champ, et ce qui l'explique."),
    {
        "error": text(gettext_lazy("Le code : blank, invalid, inclusion, taken, too_long…")),
        "value": {"description": gettext_lazy("Ce qui a été envoyé.")},
        "count": {"type": "integer", "description": gettext_lazy("La limite dépassée.")},
        "format": text(gettext_lazy("Le format attendu.")),
        "allowed": array(text(), gettext_lazy("Les noms qui existent.")),
        "unknown": text(gettext_lazy("Ce qui n'est pas connu.")),
        "known": text(gettext_lazy("Ce qui l'est.")),
        "organisations": text(gettext_lazy("Les organisations dont il s'agit.")),
    },
    optional=("value", "count", "format", "allowed", "unknown", "known", "organisations"),
)
INVALID_RECORD = Shape(
    "InvalidRecord",
    gettext_lazy("Tout ce qui ne va pas, champ par champ."),
    {
        "success": flag(const=False),
        "errors": {
            "type": "object",
            "description": gettext_lazy("Les défauts de chaque champ."),
            "additionalProperties": array(_FAILURE),
        },
        "error_messages": _SENTENCES,
        "hint": _HINT,
    },
    optional=("hint",),
)
_MORE = [name for name in _FAILURE.properties if name != "error"]
PROBLEM_DETAILS = Shape(
    "Problem",
    gettext_lazy("Une erreur, telle que la RFC 9457 la décrit, pour qui préfère `application/problem+json`."),
    {
        "type": text(gettext_lazy("L'adresse de la page qui explique le code."), format="uri-reference"),
        "title": text(gettext_lazy("Comment cela s'appelle.")),
        "status": {"type": "integer", "description": gettext_lazy("Le statut de la réponse.")},
        "detail": text(gettext_lazy("Ce qui ne va pas, dans cette requête.")),
        "instance": text(gettext_lazy("La requête."), format="uri"),
        "code": text(gettext_lazy("Le code, le même dans toutes les langues.")),
        "request_id": text(gettext_lazy("Ce que dit l'en-tête X-Request-Id.")),
        "hint": _HINT,
        "resource": text(gettext_lazy("Le genre de ce qui n'a pas été trouvé.")),
        "errors": array(
            Shape(
                "ProblemOfAValue",
                gettext_lazy("Un défaut d'un paramètre."),
                {
                    "pointer": text(gettext_lazy("Lequel (RFC 6901).")),
                    "parameter": text(gettext_lazy("Son nom, quand il est dans l'adresse.")),
                    "code": text(gettext_lazy("Le code : blank, invalid, inclusion, taken, too_long…")),
                    "detail": text(gettext_lazy("Ce qui ne va pas.")),
                    "did_you_mean": _NEAREST,
                    **{name: _FAILURE.properties[name] for name in _MORE},
                },
                optional=("pointer", "parameter", "did_you_mean", *_MORE),
            ),
            gettext_lazy("Chaque paramètre qui ne va pas."),
        ),
        "versions": _VERSIONS,
    },
    optional=("hint", "resource", "errors", "versions"),
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


def _is_the_database_away(exc: OperationalError | InterfaceError) -> bool:
    """Whether asking again may help. SQLite says a table that is missing, or a misuse, by the same exceptions."""
    code = getattr(exc.__cause__, "sqlite_errorcode", None)
    return code not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE)


def as_wire_error(exc: BaseException | None, request: HttpRequest | None = None) -> WireError:
    """The wire form of `exc`; that of an internal error when it has no other."""
    match exc:
        case WireError():
            return exc
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case Http404() | exceptions.NotFound():
            return UnknownRoute()
        case PermissionDenied() | exceptions.PermissionDenied():
            return Forbidden()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(request.method or "" if request else "")
        case exceptions.UnsupportedMediaType():
            return UnreadableBody()
        case ValidationError():
            return Invalid(exc.error_dict if hasattr(exc, "error_dict") else {NON_FIELD_ERRORS: exc.error_list})
        case RequestDataTooBig():
            return PayloadTooLarge(settings.RDV_MAX_BODY_BYTES)
        case (
            exceptions.ParseError()
            | UnreadablePostError()
            | BadRequest()
            | SuspiciousOperation()
            | MultiPartParserError()
            | RawPostDataException()
        ):
            return MalformedRequest()
        case OperationalError() | InterfaceError() if _is_the_database_away(exc):
            return DatabaseUnavailable()
    return InternalError()


def respond(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer for `exc`, whatever it is (DRF's EXCEPTION_HANDLER): the only place where an error gets its wire form."""
    request = context.get("request")
    error = as_wire_error(exc, request)
    if isinstance(error, InternalError):
        logger.error("Unhandled %s", type(exc).__name__, exc_info=exc)
    elif isinstance(error, DatabaseUnavailable):
        logger.error("Database unavailable: %s", exc)
    body, content_type = written(error, request)
    response = Response(body, status=error.status_code, headers=error.headers, content_type=content_type)
    patch_vary_headers(response, ("Accept",))
    return response


def plain(error: WireError, request: HttpRequest | None = None) -> JsonResponse:
    """`error` outside of any API view: unknown routes, refused hosts. Without a request, in the contract's form."""
    body, content_type = written(error, request)
    response = JsonResponse(
        body,
        status=error.status_code,
        headers=error.headers,
        content_type=PROBLEM if content_type == PROBLEM else "application/json; charset=utf-8",
        json_dumps_params={"ensure_ascii": False, "separators": (",", ":")},
    )
    patch_vary_headers(response, ("Accept",))
    return response


def written(error: WireError, request: HttpRequest | Request | None) -> tuple[dict[str, Any], str | None]:
    """The body for `error`, and its type where that is not the usual one: the contract's, or what RFC 9457 makes of it
    for whoever prefers that (`accept.py`).
    """
    if request is not None and form_of(request.META.get("HTTP_ACCEPT", ""), error=True) is Form.PROBLEM:
        return problem(error, request), PROBLEM
    return error.body() | ({"hint": error.hint} if error.hint else {}), error.content_type


def problem(error: WireError, request: HttpRequest | Request, request_id: str | None = None) -> dict[str, Any]:
    """The members of an `application/problem+json` (RFC 9457 section 3): `type` is the address that explains the code,
    `instance` the request.
    """
    return details(error, request, origin(request), request_id or get_guid() or "")


def details(error: WireError, request: HttpRequest | Request | None, base: str, id: str) -> dict[str, Any]:
    """The same at the address `base`, of the request `id`."""
    known = PROBLEMS.get(error.code)
    return {
        "type": f"{base}{known.path}" if known else "about:blank",
        "title": str(known.title) if known else HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": error.sentence().strip(),
        "instance": f"urn:uuid:{id}",
        "code": error.code,
        "request_id": id,
        **({"hint": error.hint} if error.hint else {}),
        **error.extensions(request),
    }


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(as_wire_error(exception, request), request)


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(Forbidden(), request)


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(UnknownRoute(), request)


def server_error(request: HttpRequest) -> JsonResponse:
    """Django calls this while it handles the exception that nobody else did: of a page, of a middleware."""
    return plain(as_wire_error(sys.exception(), request), request)
