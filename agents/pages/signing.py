"""Signing in and out with a browser: the accounts, passwords and slowing of the API, sessions of Django's."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import AccessKey, ClientToken, end_tokens
from agents.views.sign_in import refuse_passwords
from rdv.sessions import end_sessions_of

from .base import Page
from .forms import AgentSignInForm


class SignIn(Page, LoginView):
    """`/connexion`; `next` leads on to a page of this server, and nowhere else."""

    public = True
    form_class = AgentSignInForm
    template_name = "agents/sign_in.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        refuse_passwords()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        refuse_passwords()
        return super().post(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse("keys")


class SignOut(Page):
    """`/deconnexion`: ends the session of this browser."""

    public = True

    def post(self, request: HttpRequest) -> HttpResponse:
        logout(request)
        messages.success(request, _("Vous êtes déconnecté."))
        return redirect("sign_in")


class SignOutEverywhere(Page):
    """`/deconnexion/partout`: ends every session and token of the agent; with `keys`, every key too."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "agents/sign_out_everywhere.html")

    def post(self, request: HttpRequest) -> HttpResponse:
        agent = request.user.pk
        keys = bool(request.POST.get("keys"))
        with transaction.atomic():
            ClientToken.objects.filter(agent=agent).revoke()
            if keys:
                AccessKey.objects.filter(agent=agent).revoke()
            end_sessions_of(agent)
            end_tokens(agent)
        logout(request)
        sentence = _("Vous êtes déconnecté partout, et toutes vos clés sont révoquées.")
        messages.success(request, sentence if keys else _("Vous êtes déconnecté partout. Vos clés restent valables."))
        return redirect("sign_in")
