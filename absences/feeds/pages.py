"""An agent's calendar feeds in a browser: make, change, renew, revoke, delete (row W4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from absences.models import Feed, Kind
from agents.models import Agent, Organisation, Service
from agents.pages.base import Page
from agents.pages.keys import fresh, is_fresh, spend
from rdv.api.parsers import leading_integer

from .forms import FeedForm
from .reading import TARGETS, target_of
from .views import addresses

PER_PAGE = 50
_MODELS = dict(zip(TARGETS, (Agent, Service, Organisation), strict=True))


class Feeds(Page):
    """`/calendriers`: the agent's feeds, newest first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        feeds = Feed.objects.visible_to(request.user).order_by("-pk")
        page = Paginator(feeds, PER_PAGE).get_page(request.GET.get("page"))
        return render(request, "absences/feeds.html", {"page": page, "lines": described(page, request.user)})


class _Telling(Page):
    """Shows an address, in the answer to a form and never again. What the form was answered for is noted in the
    session, so that loading the answer anew does not do it twice; the address is noted nowhere.
    """

    def used(self, request: HttpRequest) -> HttpResponse | None:
        """What is answered to a form that was answered already; None when it was not."""
        number = request.POST.get("once", "")
        if is_fresh(request.session, number):
            return None
        messages.info(request, _("Ce formulaire a déjà servi. Une adresse n'est montrée qu'une fois."))
        return redirect("own_feeds")

    def told(self, request: HttpRequest, feed: Feed, secret: str) -> HttpResponse:
        (line,) = described([feed], request.user)
        page = render(request, "absences/feed_shown.html", {"line": line} | addresses(request, secret))
        page["Cache-Control"] = "no-store"
        return page


class NewFeed(_Telling):
    """`/calendriers/nouveau`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._ask(FeedForm(request.user))

    def post(self, request: HttpRequest) -> HttpResponse:
        if answer := self.used(request):
            return answer
        form = FeedForm(request.user, request.POST)
        if not form.is_valid():
            return self._ask(form, request.POST["once"], status=422)
        spend(request.session, request.POST["once"])
        feed, secret = self.change(form.save)
        return self.told(request, feed, secret)

    def _ask(self, form: FeedForm, once: str | None = None, status: int = 200) -> HttpResponse:
        context = {"form": form, "once": once or fresh(self.request.session)}
        return render(self.request, "absences/feed_form.html", context, status=status)


class OwnFeed(Page):
    """What is done to one feed of the agent's own; 404 for another's, as for none."""

    def feed(self, pk: int, rows: Any = None) -> Feed:
        rows = Feed.objects.all() if rows is None else rows
        feed: Feed | None = rows.visible_to(self.request.user).filter(pk=leading_integer(pk)).first()
        if feed is None:
            raise Http404
        return feed

    def held(self, pk: int) -> Feed:
        """The same, which nobody else changes before the transaction ends."""
        return self.feed(pk, Feed.objects.select_for_update(no_key=True))

    def ask(self, template: str, feed: Feed, **context: Any) -> HttpResponse:
        (line,) = described([feed], self.request.user)
        return render(self.request, f"absences/{template}.html", {"line": line, **context})


class ChangeFeed(OwnFeed):
    """`/calendriers/…`: what it shows, and what it says of it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        feed = self.feed(pk)
        return render(request, "absences/feed_form.html", {"form": FeedForm(request.user, feed=feed), "feed": feed})

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def change() -> FeedForm:
            form = FeedForm(request.user, request.POST, feed=self.held(pk))
            if form.is_valid():
                form.save()
            return form

        form = self.change(change)
        if form.errors:
            context = {"form": form, "feed": self.feed(pk)}
            return render(request, "absences/feed_form.html", context, status=422)
        messages.success(request, _("Le calendrier « %(name)s » est modifié.") % {"name": form.serializer.row.name})
        return redirect("own_feeds")


class RenewFeed(_Telling, OwnFeed):
    """`/calendriers/…/renouveler`: asks first."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.ask("feed_renew", self.feed(pk), once=fresh(request.session))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        if answer := self.used(request):
            return answer

        def renew() -> tuple[Feed, str]:
            feed = self.held(pk)
            secret = feed.new_address()
            feed.save()
            return feed, secret

        feed, secret = self.change(renew)
        spend(request.session, request.POST["once"])
        return self.told(request, feed, secret)


class _Ending(OwnFeed):
    """Asks, then ends an address."""

    template: str
    end: Callable[[Feed], Any]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.ask(self.template, self.feed(pk))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def ended() -> str:
            feed = self.held(pk)
            name = feed.name
            type(self).end(feed)
            return name

        messages.success(request, self.sentence() % {"name": self.change(ended)})
        return redirect("own_feeds")

    def sentence(self) -> str:
        raise NotImplementedError


def _revoke(feed: Feed) -> None:
    feed.revoke()
    feed.save()


class RevokeFeed(_Ending):
    """`/calendriers/…/revoquer`."""

    template = "feed_revoke"
    end = staticmethod(_revoke)

    def sentence(self) -> str:
        return _("L'adresse du calendrier « %(name)s » est révoquée.")


class DeleteFeed(_Ending):
    """`/calendriers/…/supprimer`."""

    template = "feed_delete"
    end = staticmethod(Feed.delete)

    def sentence(self) -> str:
        return _("Le calendrier « %(name)s » est supprimé.")


def described(feeds: Iterable[Feed], owner: Agent) -> list[dict[str, Any]]:
    """What a page says of each feed. Whose it is has a name only while its owner sees them."""
    feeds = list(feeds)
    targets = {feed.pk: target_of(feed) for feed in feeds}
    names: dict[tuple[str, int], str] = {}
    for kind, model in _MODELS.items():
        chosen = {pk for target, pk in targets.values() if target == kind}
        if chosen:
            names |= {(kind, row.pk): str(row) for row in model.objects.visible_to(owner).filter(pk__in=chosen)}
    return [
        {
            "feed": feed,
            "of": _("Mes absences") if targets[feed.pk] == ("agent", owner.pk) else names.get(targets[feed.pk]),
            "kinds": _("tous les genres")
            if feed.kinds is None
            else ", ".join(str(Kind(one).label) for one in feed.kinds),
        }
        for feed in feeds
    ]
