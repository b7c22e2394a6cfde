"""Safe retries (row P9; draft-ietf-httpapi-idempotency-key-header): of requests with the same `Idempotency-Key` one is
done, and all are answered as it was.

The answer is kept in the transaction of what it tells, so both are there or neither. While that transaction is under
way nobody else has the key: on PostgreSQL by a lock that ends with it, however it ends, so that no claim outlives a
process that died, and whoever comes meanwhile is told to come back (409); on SQLite, where writes follow one another
anyway, whoever comes meanwhile waits for it as for any other write, and then has its answer.

Why our own: `drf-idempotencykey` 0.2, `drf-idempotency` 1.0 and `django-idempotency-key` 1.3 keep the answer after the
transaction of the effect, or in a cache, and block a key whose process died until a lease ends; they keep every header
of the answer, which here hold credentials; and they give it back without a look at what the caller may see by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from .accept import form_of
from .errors import WireError
from .models import KeptAnswer
from .prefer import preferences
from .statements import Parameter, Statement

if TYPE_CHECKING:
    from .views import ResourceViewSet

HEADER = "HTTP_IDEMPOTENCY_KEY"
LONGEST = 255  # characters
LONGEST_FAILURE = 64 * 1024  # bytes of a body: a 422 repeats what was sent, which may be a megabyte
PURGE_EVERY = 64  # answers that are kept

# What belongs to a request besides its address and its body, as it was sent.
HEADERS = ("CONTENT_TYPE", "HTTP_X_API_VERSION", "HTTP_IF_MATCH")

# A string of RFC 8941 (3.3.3).
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*+)"')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_COLUMNS = tuple(field.attname for field in KeptAnswer._meta.concrete_fields)
_BY_KEY = Statement(
    lambda: (
        KeptAnswer.objects.filter(key=Parameter("key", models.CharField(max_length=64)))
        .order_by()
        .values_list(*_COLUMNS)
    )
)


class BadKey(WireError):
    """400: a key that can be none."""

    status_code = status.HTTP_400_BAD_REQUEST
    code = "bad_idempotency_key"

    def sentence(self) -> str:
        return _("Idempotency-Key doit avoir de 1 à 255 caractères, sans caractère de contrôle.")


class InProgress(WireError):
    """409: a request with this key is under way. Its answer will be this one's, perhaps in `Retry-After` seconds."""

    status_code = status.HTTP_409_CONFLICT
    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__()
        self.headers["Retry-After"] = "1"

    def sentence(self) -> str:
        return _("Une requête de la même clé est en cours. Renvoyez la vôtre dans un instant.")


class Reused(WireError):
    """422: the key is that of another request. Nothing was done."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"

    def sentence(self) -> str:
        return _("Cette clé (Idempotency-Key) est celle d'une autre requête. Prenez-en une nouvelle.")


def key_of(header: str) -> str:
    """The key of a header: bare, or a quoted string of RFC 8941. Raises BadKey."""
    key = header.strip(" \t")
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if not 0 < len(key) <= LONGEST or _CONTROL.search(key):
        raise BadKey
    return key


def is_kept(status_code: int) -> bool:
    """Whether an answer is for good. One that depends on who asks when, on the moment or on luck is not; nor is 428,
    which asks for the same request with a header more.
    """
    return status_code < 500 and status_code not in (401, 403, 409, 428, 429)


class Retry:
    """A write that came with a key: the first of its kind, or a retry of it."""

    def __init__(self, request: Request, caller: str) -> None:
        """`caller`: who acts, and for whom, as one text. Reads the body, before the parsers do. Raises BadKey."""
        sent = request._request
        self._former: int | None = None  # of an answer under this key whose time has ended
        self.key = digest(caller.encode(), key_of(sent.META[HEADER]).encode())
        self.request = digest(
            (sent.method or "").encode(),
            sent.path.encode(),
            sent.META.get("QUERY_STRING", "").encode(),
            *(sent.META.get(name, "").encode() for name in HEADERS),
            *_form(sent),
            sent.body,
        )

    def answer(self, view: ResourceViewSet, work: Callable[[], Response]) -> Response:
        """What `work` answers, done in a transaction; or what it answered before. Raises InProgress and Reused, and
        what a look at the row raises that the kept answer shows.
        """
        outcome = self._kept() or view._write(lambda: self._first(view, work))
        if isinstance(outcome, WireError):
            raise outcome
        return view.replay(outcome) if isinstance(outcome, KeptAnswer) else outcome

    def _first(self, view: ResourceViewSet, work: Callable[[], Response]) -> Response | WireError | KeptAnswer:
        """In a transaction: the answer, kept; or a failure, kept, which undid the work alone; or what was before."""
        if not self._alone():
            raise InProgress
        if kept := self._kept():
            return kept
        if self._former:
            KeptAnswer.objects.filter(pk=self._former).delete()
        try:
            with transaction.atomic():
                response = work()
        except WireError as failure:
            if not is_kept(failure.status_code):
                raise
            told = view.told(failure)
            body = orjson.dumps(told.data)
            if len(body) <= LONGEST_FAILURE:
                self._keep(told, body)
            return failure
        written = view.written
        trace = {name: getattr(written, name) for name in view.traced_by} if written else {}
        row = written.pk if written else None
        self._keep(response, orjson.dumps(response.data), row=row, row_version=view.row_version or "", trace=trace)
        return response

    def _alone(self) -> bool:
        """Whether nobody else has the key, from now until the transaction ends."""
        if connection.vendor != "postgresql":
            return True
        number = int.from_bytes(bytes.fromhex(self.key[:16]), signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            (alone,) = cursor.fetchone()
        return bool(alone)

    def _kept(self) -> KeptAnswer | None:
        """The answer of the first, if it is known and its time has not ended. Raises Reused."""
        for row in _BY_KEY.run(key=self.key):
            kept: KeptAnswer = KeptAnswer.from_db("default", _COLUMNS, row)
            if kept.ends_at <= timezone.now():
                self._former = kept.pk
                return None
            if kept.request != self.request:
                raise Reused
            return kept
        return None

    def _keep(self, response: Response, body: bytes, **row: Any) -> None:
        """What the view said, before what every answer carries: credentials among it."""
        kept = KeptAnswer(
            key=self.key,
            request=self.request,
            status=response.status_code,
            headers={name: value for name, value in response.items() if name != "Content-Type"},
            content_type=response.content_type or "",
            body=body.decode(),
            **row,
        )
        kept.save()
        if kept.pk % PURGE_EVERY == 0:
            KeptAnswer.objects.purge()


def replayed(kept: KeptAnswer) -> Response:
    """A kept answer, as the view gave it, marked."""
    headers = kept.headers | {"Idempotency-Replayed": "true"}
    return Response(
        orjson.loads(kept.body), status=kept.status, headers=headers, content_type=kept.content_type or None
    )


def _form(request: HttpRequest) -> Iterator[bytes]:
    """In which of our forms and languages the answer is wanted; however that is said, which programs do differently."""
    accept, preferred = request.META.get("HTTP_ACCEPT", ""), preferences(request)
    for choice in (
        *(form_of(accept, error=error).name for error in (False, True)),
        *(preferred.get(name, "") for name in ("return", "handling")),
        get_language() or "",
    ):
        yield choice.encode()


def digest(*parts: bytes) -> str:
    """Of the parts, each with its length: what belongs to one is never taken for another's."""
    whole = sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8))
        whole.update(part)
    return whole.hexdigest()
