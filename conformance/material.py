"""Absences to make: far from now, first in every list, with a title by which whoever finds one knows it."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from .client import Caller

FAR = datetime.timedelta(days=4 * 365)
MARK = f"[conformance {uuid.uuid4().hex[:8]}]"


def day(number: int = 0) -> str:
    """A day of the far future, the first or a later one."""
    return (datetime.datetime.now(datetime.UTC).date() + FAR + datetime.timedelta(days=number)).isoformat()


def titled(text: str) -> str:
    return f"{MARK} {text}"


def valid(agent_id: int) -> dict[str, Any]:
    """What makes an absence of that agent."""
    return {
        "agent_id": agent_id,
        "title": titled("Congé"),
        "first_day": day(),
        "start_time": "08:00",
        "end_time": "12:00",
    }


def made(caller: Caller, values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An absence that the caller makes; it is removed after the test."""
    answer = caller.post("/absences", json=values | changes)
    assert answer.status_code == 200, f"POST /absences: {answer.status_code} {answer.text}"
    row: dict[str, Any] = answer.json()["absence"]
    return row
