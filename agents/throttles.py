"""How often somebody who has not signed in may make the server send a mail."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from rdv.api.client import address_of
from rdv.api.errors import Busy

logger = logging.getLogger(__name__)


class PasswordRequestThrottle(BaseThrottle):
    """By address, whatever the email: the limit tells nothing about who exists.

    There are so many places; a request takes one for a minute. Two that come at once, on whatever web servers, cannot
    take the same. Without the shared cache nobody can tell how many were taken: then none is (503), for a flood of
    mails cannot be called back, and a mail can be asked for again.
    """

    num_requests = 10
    seconds = 60
    pause = 1.0  # after the cache did not answer, it is not asked for so long: the next would wait as long for nothing
    _ask_again_at = float("-inf")

    def allow_request(self, request: Request, view: APIView) -> bool:
        if time.monotonic() < PasswordRequestThrottle._ask_again_at:
            raise Busy
        try:
            return self._take(address_of(request._request))
        except RedisError as error:
            PasswordRequestThrottle._ask_again_at = time.monotonic() + self.pause
            logger.warning("The cache does not answer, and no mail is sent meanwhile: %s", type(error).__name__)
            raise Busy from error

    def wait(self) -> float:
        """Seconds until the place that was taken first is free."""
        return self._free_in

    def _take(self, address: str) -> bool:
        places = [f"password_request_{address}_{number}" for number in range(self.num_requests)]
        now = timezone.now().timestamp()
        taken = cache.get_many(places)
        if any(cache.add(place, now + self.seconds, self.seconds) for place in places if place not in taken):
            return True
        self._free_in = min([*taken.values(), now + self.seconds]) - now
        return False
