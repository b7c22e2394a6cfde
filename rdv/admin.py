"""The administration site: its name, and its answers when something is refused or not found."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from agents.forms import OwnPasswordForm, SignInForm
from agents.record.refusals import tell_page_refusal


class _Suggestions(AutocompleteJsonView):
    """What is suggested while one types, with what tells homonyms apart."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        suggestion: dict[str, str] = super().serialize_result(obj, to_field_name)
        return suggestion | {"text": getattr(self.model_admin, "choice_text", str)(obj)}


class Administration(admin.AdminSite):
    site_title = _("RDV — Administration")
    site_header = _("RDV — Administration")
    index_title = _("Accueil")
    site_url = None
    login_form = SignInForm

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Refusals are pages for people here, where the rest of the server answers them in JSON."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def outer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return inner(request, *args, **kwargs)
            except PermissionDenied:
                tell_page_refusal(request)
                sentence = _("Vous n'avez pas le droit d'ouvrir cette page ou de faire cela.")
                return self._refusal(request, 403, _("Accès refusé"), sentence)
            except Http404:
                return self._refusal(request, 404, _("Page introuvable"), _("Cette adresse ne mène nulle part."))

        return outer

    def _refusal(self, request: HttpRequest, status: int, title: Any, sentence: Any) -> HttpResponse:
        context = self.each_context(request) | {"title": title, "sentence": sentence}
        return render(request, "admin/refusal.html", context, status=status)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        request.current_app = self.name
        return PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse_lazy("admin:password_change_done"),
            template_name="registration/password_change_form.html",
            extra_context=self.each_context(request) | (extra_context or {}),
        )(request)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return _Suggestions.as_view(admin_site=self)(request)
