"""Signing in and out with a browser: the accounts, passwords and slowing of the API, sessions of Django's."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import AccessKey, Agent, ClientToken, end_tokens
from agents.views.sign_in import refuse_passwords
from rdv.api.transactions import write
from rdv.sessions import end_sessions_of

from .base import Page
from .forms import AgentSignInForm


class SignIn(Page, LoginView):
    """`/connexion`; `next` leads on to a page of this server, and nowhere else."""

    public = True
    form_class = AgentSignInForm
    template_name = "agents/sign_in.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        refuse_passwords()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        refuse_passwords()
        return super().post(request, *args, **kwargs)

    def get_redirect_url(self) -> str:
        """Not to this page again, which would lead who is signed in round in circles."""
        there: str = super().get_redirect_url()
        return "" if urlsplit(there).path == self.request.path else there

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

        def end() -> None:
            Agent.objects.select_for_update(no_key=True).filter(pk=agent).values_list("pk").first()
            ClientToken.objects.filter(agent=agent).revoke()
            if keys:
                AccessKey.objects.filter(agent=agent).revoke()
            end_sessions_of(agent)
            end_tokens(agent)

        write(end)
        logout(request)
        sentence = _("Vous êtes déconnecté partout, et toutes vos clés sont révoquées.")
        messages.success(request, sentence if keys else _("Vous êtes déconnecté partout. Vos clés restent valables."))
        return redirect("sign_in")
