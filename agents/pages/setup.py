"""The first administrator of a server makes their account with the secret that it showed (row T15)."""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_login_failed
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from agents.models import Agent
from agents.models.setup import FirstSecret

from .base import Page, locked_out, refusal
from .forms import FirstAdministratorForm

# Under which name wrong secrets are counted, beside the emails of failed sign-ins.
COUNTED_AS = {"username": "premier-administrateur"}


@method_decorator(sensitive_post_parameters(), "dispatch")
class FirstAdministrator(Page):
    """`/premier-administrateur`: once, while a secret waits to be used; 403 otherwise."""

    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        if FirstSecret.objects.waiting() is None:
            return self._closed()
        return self._ask(FirstAdministratorForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        waiting = FirstSecret.objects.waiting()
        if waiting is None:
            return self._closed()
        if settings.AXES_ENABLED and not AxesProxyHandler.is_allowed(request, COUNTED_AS):
            return locked_out(request)
        form = FirstAdministratorForm(request.POST)
        valid = form.is_valid()
        secret = form.cleaned_data.get("secret")
        if secret and not waiting.matches(secret):
            user_login_failed.send(sender=FirstAdministrator, credentials=COUNTED_AS, request=request)
            form.add_error("secret", _("Ce n'est pas le secret que le serveur a affiché."))
            valid = False
        if not valid:
            return self._ask(form, 422)
        agent = form.agent
        agent.set_password(form.cleaned_data["password1"])  # before the transaction: it is slow
        try:
            made = self._make(agent, form.cleaned_data["secret"])
        except IntegrityError:  # somebody took the email meanwhile: it is said as always
            return self.post(request)
        if not made:
            return self._closed()
        messages.success(request, _("Votre compte d'administrateur est créé : connectez-vous."))
        return redirect("admin:index")

    @staticmethod
    @transaction.atomic
    def _make(agent: Agent, secret: str) -> bool:
        """Whether it was made: somebody else may have been quicker."""
        if not FirstSecret.objects.spend(secret):
            return False
        agent.save()
        return True

    def _ask(self, form: FirstAdministratorForm, status: int = 200) -> HttpResponse:
        return render(self.request, "agents/first_administrator.html", {"form": form}, status=status)

    def _closed(self) -> Any:
        sentence = _(
            "Ce serveur a déjà un administrateur, ou le secret de sa création a expiré. Qui gère le serveur en obtient "
            "un autre avec « manage.py first_admin »."
        )
        return refusal(self.request, 403, _("Premier administrateur"), sentence)
