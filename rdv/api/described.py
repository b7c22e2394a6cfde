"""What a view tells the registry of itself: its own words, and what follows from what it declares anyway."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from . import asking
from .bodies import LengthRequired
from .conditional import PreconditionFailed, PreconditionRequired
from .errors import (
    API_OFF,
    Busy,
    ConflictingCredentials,
    DatabaseUnavailable,
    Forbidden,
    InsufficientScope,
    InternalError,
    Invalid,
    MalformedRequest,
    PayloadTooLarge,
    TooManyRequests,
    Unauthenticated,
    UnreadableBody,
    WireError,
)
from .idempotency import BadKey, InProgress, Reused
from .messages import TOO_LONG, blank, invalid, not_among
from .pagination import META, PAGE_SIZE, Page
from .parsers import MAX_ID
from .registry import Answer, Group, Operation, Parameter
from .schema import any_of, array, named, text
from .unknown import UnknownParameter
from .versioning import UnknownVersion

if TYPE_CHECKING:
    from .renderers import Representation

ID = Parameter(
    "id",
    _("L'identifiant."),
    {"type": "integer", "minimum": 1, "maximum": MAX_ID, "example": 1},
    place="path",
    required=True,
)
LONGEST_REASON = 1000  # characters
REASON = Parameter(
    "reason",
    _("Pourquoi, en quelques mots : gardé dans le journal avec le changement. Dans l'adresse seulement."),
    text(maxLength=LONGEST_REASON),
)
# Read leniently: a page that is no number is the first, a size that is none is the greatest.
PAGES = (
    Parameter("page", _("Le numéro de la page, à partir de 1."), {"type": ["integer", "string"], "example": 1}),
    Parameter(
        "per",
        _("Combien de lignes par page : 100 au plus, et quand rien n'est dit."),
        {"type": ["integer", "string"], "example": 20},
    ),
    Parameter(
        "cursor",
        _("Pour un long parcours, à la place de `page` : vide au début, puis `meta.next_cursor`."),
        text(pattern="^[A-Za-z0-9_-]*$"),
    ),
)
PRETTIFY = Parameter("prettify", _("`true` : la réponse avec des retraits, pour une personne."), text(example="true"))
LANGUAGE = Parameter(
    "Accept-Language",
    _("La langue des phrases : le français, ou `en`. Les codes ne changent pas."),
    text(example="fr"),
    place="header",
)
IF_NONE_MATCH = Parameter(
    "If-None-Match",
    _("L'`ETag` d'une réponse que l'on a déjà : 304 si elle est toujours bonne."),
    text(),
    place="header",
)
IF_MATCH = Parameter(
    "If-Match",
    _("L'`ETag` de la fiche telle qu'on l'a lue : 412 si quelqu'un l'a changée depuis."),
    text(),
    place="header",
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    _("Un identifiant tiré au hasard : renvoyée avec le même, la même requête n'est faite qu'une fois."),
    text(minLength=1, maxLength=257),
    place="header",
)
PREFER = Parameter(
    "Prefer",
    _(
        "`handling=strict` : refuser les paramètres inconnus (400) ; d'une création ou d'une modification, "
        "`return=minimal` : 204 et l'`ETag` suffisent (RFC 7240)."
    ),
    text(),
    place="header",
)
LIST_HEADERS = {
    "X-Total-Count": _("Combien il y en a en tout."),
    "Link": _("Les adresses des autres pages (RFC 8288)."),
}


class DescribedView:
    """A view that says, in `operations`, what each of its methods is for, and in which `group`."""

    group: ClassVar[Group]
    resource: ClassVar[str | None]
    asks_reason: ClassVar[bool]

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        if "{id}" in operation.path:
            yield ID
        yield from operation.described.parameters
        if not operation.reads and cls.asks_reason:
            yield REASON
        yield PRETTIFY
        if operation.reads:
            yield IF_NONE_MATCH
        yield PREFER
        yield LANGUAGE

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        return operation.described.answers

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        yield from operation.described.errors
        yield from (MalformedRequest(), UnknownParameter(), UnknownVersion("9"))
        if operation.path != "/api":
            yield API_OFF
        if not operation.public:
            yield from (ConflictingCredentials(), Unauthenticated())
            if operation.scope:
                yield InsufficientScope()
        if not operation.reads:
            yield LengthRequired()
            too_long = ValidationError(TOO_LONG, code="too_long", params={"count": LONGEST_REASON})
            yield Invalid({"reason": [too_long]})
        yield PayloadTooLarge(1024 * 1024)
        yield from (TooManyRequests(30, 600), InternalError(), Busy(), DatabaseUnavailable())


class DescribedResource(DescribedView):
    """The five actions of a resource, described by its model's representation, serializer and filters."""

    representation: ClassVar[Representation]
    serializer_class: ClassVar[Any]
    filters: ClassVar[Any]
    told_once: ClassVar[Container[str]]

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        if operation.action == "list" and cls.filters:
            for name, filter in cls.filters.base_filters.items():
                yield Parameter(name, filter.extra.get("help_text", ""), filter.schema)
        if operation.action == "list":
            yield from PAGES
        yield from asking.parameters(cls, operation.action)
        if operation.action in ("create", "update"):
            yield from cls.serializer_class.described_parameters(creating=operation.action == "create")
        once = operation.action not in cls.told_once
        if operation.action in ("update", "destroy"):
            yield IF_MATCH
        if not operation.reads and once:
            yield IDEMPOTENCY_KEY
        yield from super().described_parameters(operation)

    @classmethod
    def described_answers(cls, operation: Operation) -> Mapping[int, Answer]:
        shown = cls.representation
        shape = any_of(shown.shape, shown.shape.in_part)
        answer: dict[int, Answer] = {}
        if operation.action == "list":
            answer[200] = Answer(
                _("Une page de la liste."),
                named({shown.plural: array(shape), "meta": META}),
                lambda: {shown.plural: [shown.example()], "meta": Page((), 1, PAGE_SIZE, 1).meta()},
                LIST_HEADERS,
                sometimes=("Link",),
            )
        elif operation.action == "destroy":
            answer[204] = Answer(_("C'est supprimé."))
        else:
            answer[200] = Answer(
                _("Tel qu'il est maintenant."),
                named({shown.singular: shape}),
                lambda: {shown.singular: shown.example()},
                {"Location": _("Son adresse.")} if operation.action == "create" else {},
            )
            if not operation.reads and operation.action not in cls.told_once:
                answer[204] = Answer(
                    _("C'est fait ; rien de plus, comme `Prefer` le demandait."),
                    headers={"Preference-Applied": _("Ce qui a été préféré, et suivi.")} | dict(answer[200].headers),
                )
        return {**answer, **operation.described.answers}

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        if operation.action == "list":
            yield Invalid({"cursor": [invalid("?")]})
        if operation.action == "retrieve":
            yield Invalid({"fields": [not_among("?", cls.representation.names)]})
        if operation.action in ("retrieve", "update", "destroy"):
            yield from (Forbidden(cls.forbidden.get(operation.action)), cls.not_found(0))  # type: ignore[attr-defined]
        if operation.action == "create":
            yield Forbidden()
        if operation.action in ("create", "update"):
            field = next(iter(cls.serializer_class.needed), next(iter(cls.serializer_class._declared_fields)))
            yield Invalid({field: [blank()]})
        if operation.action == "update":
            yield UnreadableBody()
        if not operation.reads:
            yield PreconditionFailed()
        if operation.action in ("update", "destroy"):
            yield PreconditionRequired()
        if not operation.reads and operation.action not in cls.told_once:
            yield from (BadKey(), InProgress(), Reused())
        yield from super().described_errors(operation)
