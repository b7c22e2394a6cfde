"""Quotas told, and kept (row P11): so many requests in a window, for each agent and each API account.

None of this is there unless RDV_QUOTA is set. Who has no accepted credential has no quota: strangers share addresses,
an agency's proxy is one of them, and guessing is slowed elsewhere. A window begins at another moment for each holder,
so that not everybody begins anew at once.

Redis counts each request, exactly. In the database that would be a write for each, so each process takes a hundredth of
the quota at a time: never more than the quota is granted, and at most that hundredth less for each other process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from rdv.api.errors import TooManyRequests

from .models import QuotaUse

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which names this module, as the settings do

logger = logging.getLogger(__name__)

SHARE = 100  # a process takes the hundredth part at a time, of a quota that is counted in the database
REMEMBERED = 10_000  # holders in each process
PAUSE = 1.0  # seconds for which a cache that did not answer is not asked: nothing is counted meanwhile


class Quota(NamedTuple):
    """So many requests in so many seconds."""

    count: int
    seconds: int


class Taken:
    """A request's part of a quota; `give_back` when it was free after all."""

    def __init__(self, quota: Quota, used: int, reset: int, give_back: Callable[[], object]) -> None:
        self.quota = quota
        self.used = used
        self.reset = reset
        self._give_back = give_back

    @property
    def allowed(self) -> bool:
        return self.used <= self.quota.count

    def give_back(self) -> None:
        self.used -= 1
        self._give_back()

    def headers(self) -> dict[str, str]:
        """As the contract's 429 names them (1.7), and when the window ends."""
        return {
            "RateLimit-Limit": str(self.quota.count),
            "RateLimit-Remaining": str(max(0, self.quota.count - self.used)),
            "RateLimit-Reset": str(self.reset),
        }


class _Part:
    """What this process holds of a window: `left` of what it took, when `used` were taken by all."""

    def __init__(self, window: int, used: int, left: int) -> None:
        self.window, self.used, self.left = window, used, left


class Counter:
    """What this process knows of the windows: its parts of them, and who has nothing left."""

    def __init__(self, clock: Callable[[], float] = lambda: time.time()) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._parts: dict[str, _Part] = {}
        self._ask_again_at = float("-inf")

    def forget(self) -> None:
        with self._lock:
            self._parts.clear()
        self._ask_again_at = float("-inf")

    def take(self, holder: str, quota: Quota) -> Taken | None:
        """One request more; None while nobody can tell."""
        now = self._clock() + crc32(holder.encode()) % quota.seconds
        window = int(now // quota.seconds)
        reset = max(1, int((window + 1) * quota.seconds - now + 0.999))
        in_database = settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
        part = self._part(holder, window)
        if part is not None and part.left == 0 and part.used >= quota.count:
            used = quota.count + 1  # nobody is asked again before the window ends
            return Taken(quota, used, reset, lambda: None)
        if in_database:
            return Taken(quota, self._of_a_part(holder, window, quota), reset, lambda: self._return(holder, window))
        return self._of_the_cache(holder, window, quota, reset)

    def _part(self, holder: str, window: int) -> _Part | None:
        part = self._parts.get(holder)
        return part if part is not None and part.window == window else None

    def _of_a_part(self, holder: str, window: int, quota: Quota) -> int:
        with self._lock:
            part = self._part(holder, window)
            if part is not None and part.left > 0:
                part.left -= 1
                return part.used - part.left
        share = max(1, quota.count // SHARE)
        used = QuotaUse.take(holder, window, share)
        granted = max(0, share - max(0, used - quota.count))
        with self._lock:
            part = self._keep(holder, _Part(window, min(used, quota.count), max(0, granted - 1)))
        return part.used - part.left if granted else quota.count + 1

    def _of_the_cache(self, holder: str, window: int, quota: Quota, reset: int) -> Taken | None:
        if time.monotonic() < self._ask_again_at:
            return None
        key = f"quota_{holder}_{window}"
        try:
            try:
                used = cache.incr(key)
            except ValueError:  # the window's first
                cache.add(key, 0, 2 * quota.seconds)
                used = cache.incr(key)
        except RedisError as error:
            self._ask_again_at = time.monotonic() + PAUSE
            logger.warning("The cache does not answer, and no quota is counted meanwhile: %s", type(error).__name__)
            return None
        if used > quota.count:
            with self._lock:
                self._keep(holder, _Part(window, used, 0))
        return Taken(quota, used, reset, lambda: self._decrease(key))

    def _keep(self, holder: str, part: _Part) -> _Part:
        before = self._part(holder, part.window)
        if before is not None:  # another thread took a part meanwhile
            part.left += before.left
            part.used = max(part.used, before.used)
        if len(self._parts) >= REMEMBERED and holder not in self._parts:
            self._parts.pop(next(iter(self._parts)))
        self._parts[holder] = part
        return part

    def _return(self, holder: str, window: int) -> None:
        with self._lock:
            part = self._part(holder, window)
            if part is not None:
                part.left += 1

    def _decrease(self, key: str) -> None:
        try:
            cache.decr(key)
        except (RedisError, ValueError) as error:
            logger.warning("A request that was free was counted: %s", type(error).__name__)


counter = Counter()


def quota_of(actor: Any) -> tuple[str, Quota | None]:
    """Who the holder is, and the quota: that of all, or their own; None without one."""
    kind = "agent" if actor.recorded_as == "agent" else "account"
    holder = f"{kind}:{actor.pk}"
    quota, exceptions = settings.RDV_QUOTA, settings.RDV_QUOTA_EXCEPTIONS
    for name in (holder, getattr(actor, "email", "")) if exceptions else ():
        quota = exceptions.get(name, quota)
    return holder, quota and Quota(quota.count, int(quota.window.total_seconds()))


class QuotaThrottle(BaseThrottle):
    """Takes the request's part, once its caller is known. Raises TooManyRequests when there is none left."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        credential: Any = request.auth
        if credential is None:
            return True
        holder, quota = quota_of(credential.actor)
        taken = counter.take(holder, quota) if quota else None
        if taken is not None:
            request._request.quota = taken  # type: ignore[attr-defined]
            if not taken.allowed:
                raise TooManyRequests(taken.reset, taken.quota.count)
        return True


class QuotaMiddleware:
    """Outermost: tells each holder where they stand. A 304 is free."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        taken: Taken | None = getattr(request, "quota", None)
        if taken is not None:
            if response.status_code == 304:
                taken.give_back()
            for name, value in taken.headers().items():
                response[name] = value
        return response
