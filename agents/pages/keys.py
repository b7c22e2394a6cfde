"""An agent's own keys: list, make, deactivate, activate, delete (row W2)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from agents import tokens
from agents.models import AccessKey, KeyState, Organisation, end_tokens
from agents.views.keys import refuse_new_keys
from rdv.api.parsers import leading_integer

from .base import Page, origin
from .forms import RESOURCE_NAMES, NewKeyForm

PER_PAGE = 50


class Keys(Page):
    """`/cles`: the agent's keys, newest first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        keys = AccessKey.objects.visible_to(request.user).defer("digest").order_by("-pk")
        page = Paginator(keys, PER_PAGE).get_page(request.GET.get("page"))
        lines = described(page, request.user.reach.named)
        may_make = settings.RDV_KEY_CREATION
        return render(request, "agents/keys.html", {"page": page, "lines": lines, "may_make": may_make})


class NewKey(Page):
    """`/cles/nouvelle`: the form; then, in the answer to it and never again, the key. What the form was answered for is
    noted in the session, so that loading the answer anew makes no second key; the key is noted nowhere.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        refuse_new_keys()
        return self._ask(NewKeyForm(request.user))

    def post(self, request: HttpRequest) -> HttpResponse:
        refuse_new_keys()
        if not is_fresh(request.session, request.POST.get("once", "")):
            messages.info(request, _("Ce formulaire a déjà servi. Une clé n'est montrée qu'à sa création."))
            return redirect("keys")
        form = NewKeyForm(request.user, request.POST)
        if not form.is_valid():
            return self._ask(form, request.POST["once"], status=422)
        spend(request.session, request.POST["once"])
        key, secret = self.change(form.make)
        (line,) = described([key], request.user.reach.named)
        page = render(request, "agents/new_key_shown.html", secret_shown(request, secret) | {"line": line})
        page["Cache-Control"] = "no-store"
        return page

    def _ask(self, form: NewKeyForm, once: str | None = None, status: int = 200) -> HttpResponse:
        context = {"form": form, "once": once or fresh(self.request.session)}
        return render(self.request, "agents/new_key.html", context, status=status)


class OwnKey(Page):
    """What is done to one key of the agent's own; 404 for another's, as for none."""

    def key(self, pk: int, rows: Any = None) -> AccessKey:
        rows = AccessKey.objects.all() if rows is None else rows
        key: AccessKey | None = rows.visible_to(self.request.user).filter(pk=leading_integer(pk)).first()
        if key is None:
            raise Http404
        return key

    def held(self, pk: int) -> AccessKey:
        """The same, which nobody else changes before the transaction ends."""
        return self.key(pk, AccessKey.objects.select_for_update(no_key=True))


class SwitchKey(OwnKey):
    """`/cles/…/desactiver` and `/cles/…/activer`."""

    on = False

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def switch() -> AccessKey:
            key = self.held(pk)
            key.switch(on=self.on)
            return key

        key = self.change(switch)
        if self.on and key.state != KeyState.ACTIVE:
            messages.warning(request, _("La clé « %(name)s » ne peut plus être activée.") % {"name": key.name})
        else:
            sentence = _("La clé « %(name)s » est activée.") if self.on else _("La clé « %(name)s » est désactivée.")
            messages.success(request, sentence % {"name": key.name})
        return redirect("keys")


class DeleteKey(OwnKey):
    """`/cles/…/supprimer`: asks first."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        (line,) = described([self.key(pk)], request.user.reach.named)
        return render(request, "agents/delete_key.html", {"line": line})

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def delete() -> str:
            key = self.held(pk)
            key.delete()
            end_tokens(request.user.pk)
            return key.name

        name = self.change(delete)
        messages.success(request, _("La clé « %(name)s » est supprimée.") % {"name": name})
        return redirect("keys")


# A key in words.


def described(keys: Iterable[AccessKey], named: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """What a page says of each key; `named`: the organisations whose names may be said, None is any."""
    keys = list(keys)
    chosen = {pk for key in keys for pk in key.organisations or ()}
    if named is not None:
        chosen &= set(named)
    names = dict(Organisation.objects.filter(pk__in=chosen).values_list("pk", "name")) if chosen else {}
    return [
        {
            "key": key,
            "state": key.state.value,
            "state_name": state_label(key.state),
            "end": end_of(key),
            "resources": resources_of(key),
            "organisations": organisations_of(key, names),
        }
        for key in keys
    ]


def state_label(state: KeyState) -> str:
    match state:
        case KeyState.ACTIVE:
            return _("Active")
        case KeyState.DEACTIVATED:
            return _("Désactivée")
        case KeyState.EXPIRED:
            return _("Expirée")
    return _("Révoquée")


def end_of(key: AccessKey) -> str:
    if key.expires_at is None:
        return _("jamais")
    last = timezone.localtime(key.expires_at - datetime.timedelta(microseconds=1))
    if last.time() == datetime.time.max:
        return _("fin du %(day)s") % {"day": date_format(last, "DATE_FORMAT")}
    return date_format(timezone.localtime(key.expires_at), "DATETIME_FORMAT")


def resources_of(key: AccessKey) -> str:
    if key.resources is None:
        return _("Toutes les ressources")
    return ", ".join(str(RESOURCE_NAMES.get(name, name)) for name in key.resources)


def organisations_of(key: AccessKey, names: dict[int, str]) -> str:
    if key.organisations is None:
        return _("Toutes les organisations")
    known = [names[pk] for pk in key.organisations if pk in names]
    others = len(key.organisations) - len(known)
    if others:
        known.append(_("%(count)d hors de votre portée") % {"count": others})
    return ", ".join(known)


# A key is shown once.

_ASKED = "forms_of_keys"
_KEPT = 20  # forms open at once


def fresh(session: SessionBase) -> str:
    """The number of a form that was not answered yet."""
    number = tokens.new_secret()
    session[_ASKED] = [*session.get(_ASKED, ()), number][-_KEPT:]
    return number


def is_fresh(session: SessionBase, number: str) -> bool:
    return number in session.get(_ASKED, ())


def spend(session: SessionBase, number: str) -> None:
    session[_ASKED] = [other for other in session.get(_ASKED, ()) if other != number]


def secret_shown(request: HttpRequest, secret: str) -> dict[str, Any]:
    """What `agents/secret.html` shows: the key, and lines to try it with that work as they are."""
    address = f"{origin(request)}{reverse('me')}"
    lines = {
        "curl": f"curl --silent --show-error --fail-with-body --header 'Authorization: Bearer {secret}' '{address}'",
        "HTTPie": f"http '{address}' 'Authorization:Bearer {secret}'",
    }
    return {"secret": secret, "lines": lines, "api_is_off": not settings.RDV_API}
