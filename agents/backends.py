"""Who may sign in with a password: the last word, after it was hashed."""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_credentials
from django.conf import settings
from django.contrib.auth.backends import AllowAllUsersModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from .models import Agent


class PasswordBackend(AllowAllUsersModelBackend):
    """Django's own; whether the agent may come in is asked after the password, so that a wrong one tells nothing.

    While it is hashed others are served, on this web server and elsewhere. Guesses that came at once were all let
    through before any had failed: they are asked about again, and when the limit was reached meanwhile, none is told
    whether it was right.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Agent | None:
        agent = super().authenticate(request, username=username, password=password, **kwargs)
        credentials = get_credentials(username=username, password=password, **kwargs)
        if settings.AXES_ENABLED and request and not AxesProxyHandler.is_allowed(request, credentials):
            request.axes_locked_out = True  # type: ignore[attr-defined]
            raise PermissionDenied
        return agent
