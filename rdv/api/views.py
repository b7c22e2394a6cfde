"""The one base view: who asks, what they asked, what they may see, and the way in and out of a row.

A resource's view declares its model, its representation, its serializer and its filters; everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from .errors import FORBIDDEN, Forbidden, MethodNotAllowed, NotFound, TooManyRequests, WireError
from .filters import filtered
from .pagination import paginate
from .parsers import Parameters, leading_integer
from .renderers import Representation


class WireView(APIView):
    """What all addresses of the API share: merged parameters, credential headers, the 405."""

    # Read after authentication: nobody unknown makes us parse.
    params: Parameters

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks, whether they may, how often; then what they ask: a malformed request goes no further.

        A verb that the address does not have, and OPTIONS, depend on nobody: 405 and the description are for anyone.
        A good credential is repeated there too.
        """
        if request.method == "OPTIONS" or request.method not in self.allowed_methods:
            with suppress(APIException):
                self.perform_authentication(request)
            return
        super().initial(request, *args, **kwargs)
        self.params = Parameters(request, self.kwargs, body=request.method not in ("GET", "HEAD"))

    @property
    def base(self) -> str:
        """Scheme and host of this server, without a final slash: what absolute addresses begin with."""
        return self.request.build_absolute_uri("/")[:-1]

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise MethodNotAllowed(request.method or "")

    def throttled(self, request: Request, wait: float | None) -> None:  # type: ignore[override]
        limit = min(getattr(throttle, "num_requests", 0) for throttle in self.get_throttles())
        raise TooManyRequests(wait or 0, limit)

    def handle_exception(self, exc: Exception) -> Response:
        params = getattr(self, "params", None)
        if isinstance(exc, WireError) and exc.hint is None and params is not None:
            exc.hint = params.hint
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Every authenticated answer repeats its credential (contract 2.4), in the form that the credential chooses."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        credential = getattr(request, "auth", None)
        if credential is not None:
            for name, value in credential.response_headers(getattr(self, "params", ()), answer).items():
                answer[name] = value
        return answer


class ResourceViewSet(WireView, ViewSet):
    """List, show, create, update and delete of one model, each through its `visible_to`.

    The model's manager offers `visible_to(agent)` and `for_wire()`. A URL reaches only the actions that it names.
    """

    model: ClassVar[Any]
    action: str
    representation: ClassVar[Representation]
    serializer_class: ClassVar[Any] = None
    filters: ClassVar[type | None] = None
    # The sentence of a 403, by action, where it is not the default one.
    forbidden: ClassVar[Mapping[str, Any]] = {}

    def list(self, request: Request) -> Response:
        visible = self.model.objects.visible_to(request.user)
        asked: Any = filtered(visible, self.filters, self.params, request)
        page = paginate(asked.for_wire(), self.representation.columns, self.params)
        body = {self.representation.plural: [self._render(row) for row in page.rows], "meta": page.meta()}
        return Response(body, headers=page.headers(request))

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self._row(self.model.objects.for_wire(), pk, self.representation.columns))

    def create(self, request: Request) -> Response:
        response = self._write(lambda: self._save(self._serializer(None)))
        response["Location"] = self.address(response.data[self.representation.singular]["id"])
        return response

    def update(self, request: Request, pk: str) -> Response:
        self.params.refuse_unread_body()
        return self._write(lambda: self._save(self._serializer(self._instance(pk))))

    partial_update = update

    def destroy(self, request: Request, pk: str) -> Response:
        with transaction.atomic():
            self._instance(pk).delete()
        return Response(status=204)

    def changeable_by(self, agent: Any) -> models.QuerySet[Any]:
        """The rows that `agent` may change: those they see, unless a resource says less."""
        return cast("models.QuerySet[Any]", self.model.objects.visible_to(agent))

    def not_found(self, pk: str) -> WireError:
        """The 404 of this resource."""
        return NotFound(self.representation.singular)

    def address(self, pk: int) -> str:
        """The absolute address of a row."""
        path = self.request.path.removesuffix("/").removesuffix(".json")
        return f"{self.base}{path}/{pk}"

    def _forbidden(self) -> Forbidden:
        return Forbidden(self.forbidden.get(self.action, FORBIDDEN))

    def _serializer(self, instance: Any) -> Any:
        return self.serializer_class(instance, data=self.params, context={"request": self.request})

    def _instance(self, pk: str) -> Any:
        """The row to change, locked until the transaction ends. Raises the 404, or 403 when it may not be changed."""
        return self._in_sight(self.model.objects.select_for_update(of=("self",)), pk, self.changeable_by)

    def _row(self, queryset: models.QuerySet[Any], pk: str, columns: tuple[str, ...]) -> tuple[Any, ...]:
        row = self._in_sight(queryset, pk, self.model.objects.visible_to, columns)
        return cast("tuple[Any, ...]", row[:-1])

    def _in_sight(
        self,
        queryset: models.QuerySet[Any],
        pk: str,
        scope: Callable[[Any], models.QuerySet[Any]],
        columns: tuple[str, ...] = (),
    ) -> Any:
        """One query tells both whether the row exists (else 404) and whether it is in `scope` (else 403)."""
        within = Exists(scope(self.request.user).filter(pk=OuterRef("pk")))
        found = queryset.filter(pk=leading_integer(pk)).annotate(in_sight=within)
        if columns:
            found = found.values_list(*columns, "in_sight")
        row = found.first()
        if row is None:
            raise self.not_found(pk)
        if not (row[-1] if columns else row.in_sight):
            raise self._forbidden()
        return row

    @staticmethod
    def _write(work: Callable[[], Response]) -> Response:
        """`work` in a transaction; once more when another writer made a constraint fail between its check and its
        write, so that the check can then say it in the contract's words.
        """
        try:
            with transaction.atomic():
                return work()
        except IntegrityError:
            with transaction.atomic():
                return work()

    def _save(self, serializer: Any) -> Response:
        """Write, then look again: a row that its writer may not see afterwards is not written (403, rolled back)."""
        serializer.is_valid(raise_exception=True)
        instance = serializer.save()
        seen = self.model.objects.visible_to(self.request.user).filter(pk=instance.pk)
        row = seen.for_wire().values_list(*self.representation.columns).first()
        if row is None:
            raise self._forbidden()
        return self._answer(row)

    def _render(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return self.representation.render(self.base, *row)

    def _answer(self, row: tuple[Any, ...]) -> Response:
        return Response({self.representation.singular: self._render(row)})
