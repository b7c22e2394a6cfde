"""When a delivery that failed is tried again (contract 5.5). Pure."""

from __future__ import annotations

import datetime
import random
from email.utils import parsedate_to_datetime

ATTEMPTS = 20  # six and a half to seven and a half days of them
LONGEST_REST = datetime.timedelta(days=1)  # of those that a receiver may ask for
ASKS_FOR_REST = (429, 503)  # whose Retry-After is heard


def wait_after(attempts: int, dice: random.Random | None = None) -> datetime.timedelta:
    """How long after the attempt of this number: 3 s, 18 s, 83 s, 4 min, … 36 h; later by up to 15 %, so that those
    that failed together do not come back together.
    """
    power = attempts**4
    return datetime.timedelta(seconds=power + 2 + (dice or random).uniform(0, 0.15) * power)


def rest_asked(status: int | None, retry_after: str, now: datetime.datetime) -> datetime.timedelta:
    """What a receiver asks for with `Retry-After` (RFC 9110 10.2.3), a day at most; nothing when it does not, or not in
    a way that is understood.
    """
    rest = datetime.timedelta(0)
    text = retry_after.strip()
    if status in ASKS_FOR_REST and text:
        if text.isascii() and text.isdigit():
            rest = datetime.timedelta(seconds=min(int(text), LONGEST_REST.total_seconds()))
        else:
            try:
                moment = parsedate_to_datetime(text)
            except ValueError:
                return rest
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            rest = max(rest, moment - now)
    return min(rest, LONGEST_REST)
