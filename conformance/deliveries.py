"""What is promised of what a webhook endpoint is told (contract 5.5), held against what arrived."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .receiver import Delivery

CONTENT_TYPE = "application/json; charset=utf-8"
META = ["model", "event", "webhook_reason", "timestamp"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}")
OFF = datetime.timedelta(minutes=5)  # between the server's clock and ours
# Between the end of a failed first attempt and the next one: 3 s and up to 15 % of a second, and who is busy takes
# longer. What arrives is seen a little later than it was sent.
SOONEST, LATEST = 2.9, 20.0


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_sent(delivery: Delivery) -> None:
    """A POST of JSON, whatever it tells of."""
    assert delivery.method == "POST"
    assert delivery.headers.get("content-type") == CONTENT_TYPE


def is_signed(delivery: Delivery, secret: str) -> None:
    """By the secret, over the bytes as they came."""
    assert delivery.headers.get("x-lapin-signature") == signature(secret, delivery.body)


def tells(delivery: Delivery, event: str, model: str = "Absence") -> Any:
    """Its envelope; what it tells of."""
    document = delivery.document
    assert list(document) == ["data", "meta"]
    meta = document["meta"]
    assert list(meta) == META
    assert (meta["model"], meta["event"], meta["webhook_reason"]) == (model, event, None)
    assert MOMENT.fullmatch(meta["timestamp"])
    at = datetime.datetime.strptime(meta["timestamp"], "%Y-%m-%d %H:%M:%S %z")
    assert abs(at - datetime.datetime.now(datetime.UTC)) < OFF
    return document["data"]


def is_plain(delivery: Delivery, text: str) -> None:
    """The text is in the body as it is, not escaped for HTML."""
    assert text.encode() in delivery.body


def is_shown(data: Mapping[str, Any], row: Mapping[str, Any], keys: Sequence[str]) -> None:
    """An absence as the API shows it: `keys` in their order. Its calendar may have another moment of making."""
    assert [key for key in data if key in keys] == list(keys)
    for key in keys:
        assert _timeless(key, data[key]) == _timeless(key, row[key]), key


def _timeless(key: str, value: Any) -> Any:
    return re.sub(r"DTSTAMP:\w+", "", value) if key == "ical" else value


def is_tried_again(attempts: Sequence[Delivery]) -> None:
    """After a failure a second time, and the same."""
    assert len(attempts) == 2, f"{len(attempts)} attempts"
    first, second = attempts
    assert SOONEST <= second.at - first.at <= LATEST
    assert second.body == first.body
    assert second.headers.get("x-lapin-signature") == first.headers.get("x-lapin-signature")
    is_sent(second)


def is_left_alone(attempts: Sequence[Delivery]) -> None:
    """After a success never again."""
    assert len(attempts) == 1, f"{len(attempts)} attempts"


def is_signed_with_its_moment(delivery: Delivery, secret: str) -> None:
    """As Standard Webhooks 1.0 has it: over its id, the second of the attempt and its bytes."""
    name, moment = delivery.headers["webhook-id"], delivery.headers["webhook-timestamp"]
    assert abs(int(moment) - time.time()) < OFF.total_seconds()
    signed = hmac.new(secret.encode(), f"{name}.{moment}.".encode() + delivery.body, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(signed).decode()}" in delivery.headers["webhook-signature"].split()


def is_the_same_event(attempts: Sequence[Delivery]) -> None:
    """One id for all attempts, each of which has a moment of its own."""
    assert len({one.headers["webhook-id"] for one in attempts}) == 1
    moments = [int(one.headers["webhook-timestamp"]) for one in attempts]
    assert moments == sorted(set(moments))
