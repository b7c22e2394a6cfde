"""What the pages for agents share: who is signed in, refusals as pages, a change that counts on the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View
from django.views.csrf import csrf_failure

from agents.authentication import still_signed_in
from rdv.api.errors import SwitchedOff
from rdv.api.transactions import write

Result = TypeVar("Result")

ADMINISTRATION = "/admin/"


class SessionEnded(Exception):
    """The session ended while its request was under way."""


class Page(View):
    """A page of an agent's own, or of anybody's where it is `public`. Refusals are pages too."""

    public: ClassVar[bool] = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            if not self.public and not request.user.is_authenticated:
                return self._to_sign_in()
            return super().dispatch(request, *args, **kwargs)
        except SessionEnded:
            return self._to_sign_in()
        except SwitchedOff as error:
            return refusal(request, 403, _("Désactivé sur ce serveur"), error.sentence())
        except Http404:
            return refusal(request, 404, _("Page introuvable"), _("Cette adresse ne mène nulle part."))

    def _to_sign_in(self) -> HttpResponse:
        # An address that only changes something is no place to come back to.
        there = self.request.get_full_path() if hasattr(self, "get") else reverse("keys")
        return redirect_to_login(there, reverse("sign_in"))

    def change(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, done in a transaction that is committed only while the session still stands. Raises
        SessionEnded otherwise.
        """

        def held() -> Result:
            result = work()
            if still_signed_in(self.request.session, self.request.user.pk) is None:
                raise SessionEnded
            return result

        return write(held)


def refusal(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    return render(request, "agents/refusal.html", {"title": title, "sentence": sentence}, status=status)


def home(request: HttpRequest) -> HttpResponse:
    """Where somebody who names the server alone wants to go."""
    if request.user.is_authenticated and not request.user.is_staff:
        return redirect("keys")
    if request.user.is_authenticated or not settings.RDV_PASSWORD_SIGN_IN:
        return redirect("admin:index")
    return redirect("sign_in")


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """Too many failed sign-ins: the API's answer as it is, a page for somebody in a browser."""
    if request.path.startswith("/api/") and response is not None:
        return response
    wait = int(settings.RDV_SIGN_IN_LIMIT.window.total_seconds())
    frame = "admin/base_site.html" if request.path.startswith(ADMINISTRATION) else "agents/base.html"
    page = render(request, "agents/locked_out.html", {"minutes": -(-wait // 60), "frame": frame}, status=429)
    page["Retry-After"] = str(wait)
    return page


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was not made for this browser as it is now: nothing of it is done."""
    if request.path.startswith(ADMINISTRATION):
        return csrf_failure(request, reason)
    return render(request, "agents/stale_form.html", status=403)


def origin(request: HttpRequest) -> str:
    """Scheme and host by which this server is called, without a final slash."""
    return settings.RDV_PUBLIC_URL or request.build_absolute_uri("/")[:-1]
