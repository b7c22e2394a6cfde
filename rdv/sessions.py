"""Sessions of the pages, of which the database holds nothing that opens one: a row is found by its key's digest."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from agents import tokens


def row_key(session_key: str) -> str:
    """What stands in the row instead of the key: 160 bits of its digest, as many as the column holds."""
    return tokens.digest(session_key)[:40]


class SessionStore(db.SessionStore):
    """Django's own, in the same table, but for the key. A session ends when nothing was asked for
    `SESSION_COOKIE_AGE`, and `RDV_SESSION_LIFETIME` after it began.
    """

    def _get_session_from_db(self) -> Session | None:
        rows = self.model.objects.filter(expire_date__gt=timezone.now())
        row = rows.filter(session_key=row_key(self.session_key)).first() if self.session_key else None
        if row is None:
            self._session_key = None
        return row

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()
        if row is None:
            return {}
        # That it is in use is written down at most once in five minutes.
        left = row.expire_date - timezone.now()
        if left < datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE) - settings.RDV_TOKEN_TOUCH_INTERVAL:
            self.modified = True
        return self.decode(row.session_data)  # type: ignore[no-any-return]

    def exists(self, session_key: str) -> bool:
        return bool(super().exists(row_key(session_key)))

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(row_key(key))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        began = data.setdefault("began", int(timezone.now().timestamp()))
        row = super().create_model_instance(data)
        row.session_key = row_key(row.session_key)
        end = datetime.datetime.fromtimestamp(began, datetime.UTC) + settings.RDV_SESSION_LIFETIME
        row.expire_date = min(row.expire_date, end)
        return row


def end_sessions_of(agent: int) -> None:
    """End every session of an agent. Whose a session is stands in its content alone: each live one is looked at."""
    live = Session.objects.filter(expire_date__gt=timezone.now()).values_list("session_key", "session_data")
    store = SessionStore()
    theirs = [key for key, data in live.iterator() if store.decode(data).get(SESSION_KEY) == str(agent)]
    Session.objects.filter(session_key__in=theirs).delete()
