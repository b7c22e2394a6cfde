"""The one base view: who asks, what they asked, what they may see, and the way in and out of a row.

A resource's view declares its model, its representation, its serializer and its filters; everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, OperationalError, models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from . import idempotency, prefer
from .asking import OF_A_LIST, OF_ANY, Asked, asked_of_a_list, asked_of_one, asks
from .conditional import refuse_stale
from .deprecation import note
from .described import LONGEST_REASON, DescribedResource, DescribedView
from .errors import (
    FORBIDDEN,
    Busy,
    Forbidden,
    InsufficientScope,
    Invalid,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    WireError,
)
from .messages import TOO_LONG
from .models import KeptAnswer
from .pagination import Fetch, Reading, paginate, rows_of
from .parsers import Parameters, leading_integer
from .registry import Operation
from .registry import of as operation_of
from .renderers import Representation
from .selecting import Expansions, Selection
from .signals import refused
from .sorting import Order
from .statements import Parameter, Statement
from .transactions import is_deadlock, write
from .unknown import Unknown, UnknownParameter, tell
from .versioning import UnknownVersion, version_of

# Each resource's look at one row, compiled once.
_STATEMENTS: dict[tuple[type, str], Statement] = {}


Result = TypeVar("Result")

READING = ("GET", "HEAD", "OPTIONS")
VERSION = "version"  # the column that grows with each change of a row, where a model has one
KEY_IN_ADDRESS = "api_key"  # for old tools, where it is allowed
REASON_REQUIRED = _("doit être donné dans l'adresse : ?reason=…")


class RightsMoved(Exception):
    """The caller's rights are not those by which the write was judged."""


class WireView(DescribedView, APIView):
    """What all addresses of the API share: merged parameters, credential headers, the 405."""

    # Read after authentication: nobody unknown makes us parse.
    params: Parameters
    # What the scope of a key calls it; None: for every key.
    resource: ClassVar[str | None] = None
    # Whether its addresses are those of a version of the API.
    versioned: ClassVar[bool] = True
    # Parameters that the operation does not know, and how many more; what of them is preferred (RFC 7240 4.4), if said.
    unknown: tuple[Sequence[Unknown], int] = ((), 0)
    handling: str | None = None
    # Whether a change here must say why, where the server asks that of changes.
    asks_reason: ClassVar[bool] = True

    def determine_version(self, request: Request, *args: Any, **kwargs: Any) -> tuple[str | None, None]:
        """As DRF's: `request.version`. Raises UnknownVersion."""
        try:
            return version_of(request._request).number if self.versioned else None, None
        except UnknownVersion:
            request.auth = None  # nobody is asked who they are
            raise

    def perform_authentication(self, request: Request) -> None:
        """As DRF's; what the request came with is kept for the record, also when the view ends it."""
        super().perform_authentication(request)
        request._request.credential = request.auth  # type: ignore[attr-defined]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks, whether they may, how often; then what they ask: a malformed request goes no further.

        A verb that the address does not have, and OPTIONS, depend on nobody: 405 and the description are for anyone.
        A good credential is repeated there too.
        """
        if request.method == "OPTIONS" or request.method not in self.allowed_methods:
            self.determine_version(request)
            with suppress(APIException):
                self.perform_authentication(request)
            return
        super().initial(request, *args, **kwargs)
        credential = cast("Any", request.auth)
        if self.resource and credential and not credential.permits(request.method, self.resource):
            raise InsufficientScope
        self.read_ahead(request)
        self.params = Parameters(request, self.kwargs, body=request.method not in ("GET", "HEAD"))
        self._notice_unknown(request)
        if request.method not in READING:
            request._request.reason = self._reason(request)  # type: ignore[attr-defined]

    def read_ahead(self, request: Request) -> None:
        """What must be read before the parsers read the body: nothing, unless a view says so."""

    def _notice_unknown(self, request: Request) -> None:
        """Parameters that the operation does not know change nothing; who mistyped one wants to hear of it still.
        Raises UnknownParameter (400) for who prefers that, before anything is done.
        """
        if "HTTP_PREFER" in request.META:
            handling = prefer.preferences(request).get("handling")
            self.handling = handling if handling in ("strict", "lenient") else None
        if self.params.sent and self.operation:
            known = self.operation.names
            if not known.issuperset(self.params.sent):
                if settings.RDV_KEY_IN_ADDRESS and request.method in READING:
                    known |= {KEY_IN_ADDRESS}
                self.unknown = Unknown.among(self.params.sent, known)
                if self.unknown[0] and self.handling == "strict":
                    raise UnknownParameter(*self.unknown)

    def _reason(self, request: Request) -> str:
        """Why a change is made, as the record keeps it. Raises Invalid (422)."""
        reason = self.reason_given(request).strip()
        failure = None
        if len(reason) > LONGEST_REASON:
            params = {"count": LONGEST_REASON, "in_address": True}
            failure = ValidationError(TOO_LONG, code="too_long", params=params)
        elif not reason and self.asks_reason and settings.RDV_REASON == "required":
            failure = ValidationError(REASON_REQUIRED, code="reason_required", params={"in_address": True})
        if failure:
            raise Invalid({"reason": [failure]})
        return str(reason)

    def reason_given(self, request: Request) -> str:
        """In the address alone: a body is what a row is to be."""
        return str(request.query_params.get("reason", ""))

    @cached_property
    def operation(self) -> Operation | None:
        """What is asked for, as the registry has it; None where the address does not have the verb."""
        action = getattr(self, "action", None) or (self.request.method or "").lower()
        return operation_of(type(self), "get" if action == "head" else action)  # type: ignore[arg-type]

    @cached_property
    def base(self) -> str:
        """Scheme and host of this server, without a final slash: what absolute addresses begin with."""
        return self.request.build_absolute_uri("/")[:-1]

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise MethodNotAllowed(request.method or "")

    def throttled(self, request: Request, wait: float | None) -> None:  # type: ignore[override]
        limit = min(getattr(throttle, "num_requests", 0) for throttle in self.get_throttles())
        raise TooManyRequests(wait or 0, limit)

    def told(self, error: WireError) -> Response:
        """How an error of this request is answered."""
        self._hint(error)
        return cast("Response", self.get_exception_handler()(error, self.get_exception_handler_context()))

    def _hint(self, error: WireError) -> None:
        params = getattr(self, "params", None)
        if error.hint is None and params is not None:
            error.hint = params.hint

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, WireError):
            self._hint(exc)
        if isinstance(exc, WireError) and (exc.status_code in (401, 403) or exc.presented is not None):
            refused.send(type(self), request=self.request, view=self, error=exc)
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Every authenticated answer repeats its credential (contract 2.4), in the form that the credential chooses."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        note(self, request._request, answer)
        if self.unknown[0]:
            tell(answer, *self.unknown)
        if self.handling:
            prefer.apply(answer, "handling", self.handling)
        credential = getattr(request, "auth", None)
        if credential is not None:
            for name, value in credential.response_headers(getattr(self, "params", ()), answer).items():
                answer[name] = value
        return answer


class ResourceViewSet(DescribedResource, WireView, ViewSet):
    """List, show, create, update and delete of one model, each through its `visible_to`.

    The model's manager offers `visible_to(agent)` and `for_wire()`. A URL reaches only the actions that it names.
    """

    model: ClassVar[Any]
    action: str
    representation: ClassVar[Representation]
    serializer_class: ClassVar[Any] = None
    filters: ClassVar[Any] = None
    # The write, when it came with an Idempotency-Key.
    retry: idempotency.Retry | None = None
    # The row that was written; and the columns that tell, once it is gone, who might have seen it.
    written: Any = None
    traced_by: ClassVar[Sequence[str]] = ()
    # The actions whose answer holds what is told once and kept nowhere: a secret.
    told_once: ClassVar[Container[str]] = ()
    # Of the row that the answer shows, as its ETag has it (conditional.py).
    row_version: str | None = None
    # What the list may be ordered by: the wire's name, and the column (`sort`).
    sorts: ClassVar[Mapping[str, str]] = {}
    # The texts in which `q` looks, by the wire's names; the model's `searched(words)` does it.
    searched: ClassVar[Sequence[str]] = ()
    # What `expand` may embed.
    expansions: ClassVar[Expansions] = {}
    # The sentence of a 403, by action, where it is not the default one.
    forbidden: ClassVar[Mapping[str, Any]] = {}

    def list(self, request: Request) -> Response:
        asked = self.asked
        if asks(self.params, OF_A_LIST | OF_ANY):
            asked = self.asked = self._permitted(asked_of_a_list(self.params, asked, view=type(self)))
        asked = self.asked = self.widened(asked)
        fetch: Fetch = self.fetch_visible
        narrower = bool(self.filters) and self.filters.asked(self.params)
        if narrower or asked.words is not None:
            fetch = self.fetch_narrowed(self.filters.read(self.params) if narrower else {}, asked.words)
        page = paginate(self.params, fetch, asked.reading)
        body = {self.representation.plural: self._shown(page.rows), "meta": page.meta()}
        return Response(body, headers=page.headers(request))

    def retrieve(self, request: Request, pk: str) -> Response:
        self._ask_of_one()
        return self._answer(self._row(leading_integer(pk)))

    def create(self, request: Request) -> Response:
        self._ask_of_one()
        return self._once(self._create)

    def update(self, request: Request, pk: str) -> Response:
        self.params.refuse_unread_body()
        self._ask_of_one()
        return self._once(lambda: self._save(self._serializer(self._instance(pk))))

    partial_update = update

    def destroy(self, request: Request, pk: str) -> Response:
        return self._once(lambda: self._delete(self._instance(pk)))

    def read_ahead(self, request: Request) -> None:
        if idempotency.HEADER in request.META and request.method not in READING and self.action not in self.told_once:
            self.retry = idempotency.Retry(request, cast("Any", request.auth).identity)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code == 200:
            answer.row_version = self.row_version  # type: ignore[attr-defined]
            if request.method not in READING:
                prefer.lighten(request, answer, may_be_empty=self.action not in self.told_once)
        return answer

    @classmethod
    @cache
    def as_usual(cls) -> Asked:
        """How a list goes that is asked for nothing more."""
        representation = cls.representation
        reading = Reading(representation.columns, Order.of(cls.model.objects.for_wire()))
        return Asked(reading, Selection(representation.columns, representation.render))

    @cached_property
    def asked(self) -> Asked:
        """What this request asks to be read and shown; known once it was read, in `list` or `_ask_of_one`."""
        return self.as_usual()

    def _ask_of_one(self) -> None:
        """Before anything is done: an answer that cannot be given must not have been to a change that was made. In the
        address alone: a body is what the row is to be.
        """
        if asks(self.params.in_address, OF_ANY):
            self.asked = self._permitted(asked_of_one(self.params.in_address, self.asked, view=type(self)))

    def _permitted(self, asked: Asked) -> Asked:
        """What is `asked`, by a credential that may be used for all that is to be embedded; else InsufficientScope."""
        credential = cast("Any", self.request.auth)
        for path in asked.selection.expansions:
            resource = self.expansions[path].resource
            if resource and not credential.permits("GET", resource):
                raise InsufficientScope
        return asked

    def widened(self, asked: Asked) -> Asked:
        """What a list reads and shows: what is `asked`, unless a resource has more to show when it is asked to."""
        return asked

    def fetch_visible(self, start: int, size: int, key: Sequence[Any] | None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        """How many rows the caller sees, and those from `start` (see `Fetch`). A resource that knows a cheaper way
        says it here.
        """
        return self.rows(self.model.objects.visible_to(self.request.user))(start, size, key)

    def fetch_narrowed(self, values: Mapping[str, Any], words: Sequence[str] | None) -> Fetch:
        """The same of a list that is narrowed by the `values` of its filters and by `words`, if not None."""
        rows: Any = self.model.objects.visible_to(self.request.user)
        if values:
            rows = self.filters(queryset=rows, request=self.request).narrowed(values)
        if words is not None:
            rows = rows.searched(words) if words else rows.none()
        return self.rows(rows)

    def rows(self, queryset: Any) -> Fetch:
        """How rows of a list are counted and read."""
        return rows_of(queryset.for_wire(), self.asked.reading.columns, self.asked.reading.order)

    @classmethod
    def as_shown_to(cls, caller: Any) -> models.QuerySet[Any]:
        """All the rows, as `caller` is shown them: to everybody the same, unless a resource says less."""
        return cast("models.QuerySet[Any]", cls.model.objects.for_wire())

    @classmethod
    def changeable_by(cls, agent: Any) -> models.QuerySet[Any]:
        """The rows that `agent` may change: those they see, unless a resource says less."""
        return cast("models.QuerySet[Any]", cls.model.objects.visible_to(agent))

    @classmethod
    def not_found(cls, pk: int) -> WireError:
        """The 404 of this resource."""
        return NotFound(cls.representation.singular)

    def address(self, pk: int) -> str:
        """The absolute address of a row."""
        path = self.request.path.removesuffix("/").removesuffix(".json")
        return f"{self.base}{path}/{pk}"

    def in_sight_still(self, row: Any) -> bool:
        """Whether the caller may reach a row that they deleted: asked once more, when their rights are held."""
        return True

    def _forbidden(self) -> Forbidden:
        return Forbidden(self.forbidden.get(self.action, FORBIDDEN))

    def _serializer(self, instance: Any) -> Any:
        return self.serializer_class(instance, data=self.params, context={"request": self.request})

    def _instance(self, pk: str) -> Any:
        """The row to change, locked until the transaction ends. Raises the 404, 403 when it may not be changed, and 412
        when it is not what the caller read.
        """
        columns = tuple(field.attname for field in self.model._meta.concrete_fields)
        row = self._in_sight("change", leading_integer(pk), self._locked, columns)
        instance = self.model.from_db(DEFAULT_DB_ALIAS, columns, row)
        refuse_stale(self.request, instance)
        return instance

    @classmethod
    def _locked(cls) -> models.QuerySet[Any]:
        # Its key stays: rows that refer to it need not wait.
        return cast("models.QuerySet[Any]", cls.model.objects.select_for_update(no_key=True))

    def _row(self, pk: int) -> tuple[Any, ...]:
        """What is shown of a row. Raises the 404, or 403 when the caller may not see it."""
        columns = read = self.representation.columns
        if hasattr(self.model, VERSION) and VERSION not in columns:
            read = (*columns, VERSION)
        caller: Any = type(self.request.user)
        row = self._in_sight("show", pk, lambda: self.as_shown_to(caller.to_come()), read)
        if VERSION in read:
            self.row_version = f"{pk}.{row[read.index(VERSION)]}"
        return row[: len(columns)]

    def _in_sight(
        self, purpose: str, pk: int, rows: Callable[[], models.QuerySet[Any]], columns: tuple[str, ...]
    ) -> tuple[Any, ...]:
        """One query tells both whether the row exists (else 404) and whether the caller may reach it (else 403)."""
        scope = self.changeable_by if purpose == "change" else self.model.objects.visible_to
        caller: Any = self.request.user
        anyone: Callable[[], Any] = type(caller).to_come  # what is kept knows nothing of this request

        def build() -> models.QuerySet[Any]:
            within = Exists(scope(anyone()).filter(pk=OuterRef("pk")))
            one = rows().filter(pk=Parameter("pk", models.BigIntegerField())).order_by()
            return cast("models.QuerySet[Any]", one.annotate(in_sight=within).values_list(*columns, "in_sight"))

        statement = _STATEMENTS.setdefault((type(self), purpose), Statement(build))
        for *row, in_sight in statement.run(pk=pk, **caller.reach.values()):
            if not in_sight:
                raise self._forbidden()
            return tuple(row)
        raise self.not_found(pk)

    def replay(self, kept: KeptAnswer) -> Response:
        """A kept answer, for a caller who may still see what it shows: it is as old as a day, and rights end at once.
        Raises what a look at the row would, or at whom it was of, when it is gone. With other rows embedded, each of
        which would have to be looked at, it is shown as it is now.
        """
        answer = idempotency.replayed(kept)
        if kept.row is None:
            return answer
        embeds = bool(self.asked.selection.expansions)
        try:
            row = self._row(kept.row)
        except NotFound:
            if embeds or not kept.trace:
                raise
            if not self.in_sight_still(self.model(**kept.trace)):
                raise self._forbidden() from None
        if embeds:
            answer.data = self._answer(row).data
        else:
            self.row_version = kept.row_version or None
        return answer

    def _once(self, work: Callable[[], Response]) -> Response:
        """`work` in a transaction, or the answer that it had before under the same Idempotency-Key."""
        return self.retry.answer(self, work) if self.retry else self._write(work)

    @staticmethod
    def _write(work: Callable[[], Result]) -> Result:
        """`work` in a transaction; anew also when the caller's rights changed meanwhile, so that those that they have
        now decide. Raises Busy when that does not end.
        """
        try:
            return write(work, RightsMoved)
        except (RightsMoved, OperationalError) as error:
            if isinstance(error, RightsMoved) or is_deadlock(error):
                raise Busy from None
            raise

    def _create(self) -> Response:
        refuse_stale(self.request)
        serializer = self._serializer(None)
        response = self._save(serializer)
        response["Location"] = self.address(serializer.instance.pk)
        return response

    def _save(self, serializer: Any) -> Response:
        """Write, then look again: a row that its writer may not see afterwards is not written (403, rolled back)."""
        serializer.is_valid(raise_exception=True)
        self.written = instance = serializer.save()
        self._hold_rights()
        return self._answer(self._row(instance.pk))

    def _delete(self, instance: Any) -> Response:
        instance.delete()
        self._hold_rights()
        if not self.in_sight_still(instance):
            raise self._forbidden()
        return Response(status=204)

    def _hold_rights(self) -> None:
        """Everything is done but the look again and the commit, before which no right that the write counts on ends.
        The credential knows: its `hold` is what the views ask of it, beside the headers of the answer.
        """
        try:
            same = cast("Any", self.request.auth).hold()
        except Unauthenticated:
            self.request.auth = None  # nothing to repeat in the answer
            raise
        if not same:
            raise RightsMoved

    def _shown(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[dict[str, Any]]:
        selection, base = self.asked.selection, self.base
        shown = [selection.render(base, *row) for row in rows]
        if selection.expansions:
            selection.embed(shown, self.expansions, self.request.user)
        return shown

    def _answer(self, row: tuple[Any, ...]) -> Response:
        return Response({self.representation.singular: self._shown([row])[0]})
