"""One line of JSON for each request (row O6): who, what, how it went; nothing that was sent."""

from __future__ import annotations

import logging
from typing import Any

from rdv import VERSION

from .observed import Observer, Seen

logger = logging.getLogger("rdv.access")


class AccessLog(Observer):
    def ended(self, seen: Seen) -> None:
        logger.info("", extra={"fields": fields(seen)})


def fields(seen: Seen) -> dict[str, Any]:
    """What the line tells of a request; what it does not know is null."""
    return {
        "request_id": seen.request_id,
        "agent_id": seen.agent,
        "account_id": seen.account,
        "acts_for": seen.acts_for,
        "credential": seen.credential,
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "refused": seen.away,
        "ms": round(seen.seconds * 1000, 2),
        "wait_ms": round(seen.waited * 1000, 2),
        "queries": seen.queries,
        "database_ms": round(seen.database_seconds * 1000, 2),
        "bytes": seen.bytes,
        "version": VERSION,
    }
