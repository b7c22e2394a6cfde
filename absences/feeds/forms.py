"""The form of a feed's page. What a feed must be is the API's to say, and told in its words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from absences.models import Feed, Kind, Privacy
from absences.models.feed import DAYS_AHEAD, DAYS_BACK, MOST_DAYS
from agents.emails import normalise_email
from agents.models import Agent, Organisation, Service
from agents.pages.forms import ALL, CHOSEN
from rdv.api.errors import Invalid
from rdv.api.messages import BLANK

from .serializers import FeedSerializer

OWN, AGENT, SERVICE, ORGANISATION = "own", "agent", "service", "organisation"
NOBODY_SEEN = _("Vous ne voyez pas d'agent à cette adresse.")


def _days(label: Any, initial: int) -> forms.CharField:
    attributes = {"min": 0, "max": MOST_DAYS, "step": 1, "required": True}
    return forms.CharField(label=label, required=False, initial=initial, widget=forms.NumberInput(attrs=attributes))


class FeedForm(forms.Form):
    """A feed that is there when one is given; of whom it is does not change then."""

    name = forms.CharField(
        label=_("Nom"),
        required=False,
        widget=forms.TextInput(attrs={"required": True, "autocomplete": "off", "maxlength": 255}),
        help_text=_("Celui que le calendrier aura dans votre logiciel."),
    )
    whose = forms.ChoiceField(
        label=_("Les absences"),
        widget=forms.RadioSelect,
        initial=OWN,
        choices=(
            (OWN, _("Les miennes")),
            (AGENT, _("D'un collègue")),
            (SERVICE, _("D'un service")),
            (ORGANISATION, _("D'une organisation")),
        ),
    )
    agent_email = forms.CharField(
        label=_("E-mail du collègue"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    service = forms.ChoiceField(label=_("Service"), required=False)
    organisation = forms.ChoiceField(label=_("Organisation"), required=False)
    privacy = forms.ChoiceField(
        label=_("Ce que lit quiconque a l'adresse"),
        widget=forms.RadioSelect,
        initial=Privacy.BUSY.value,
        choices=(
            (Privacy.BUSY.value, _("Occupé : quand, sans titre ni nom")),
            (Privacy.TITLES.value, _("Les titres, et qui ; « Indisponible » quand c'est confidentiel")),
            (Privacy.FULL.value, _("Tout ce que je vois, genre et confidences compris")),
        ),
    )
    days_back = _days(_("Jours passés"), DAYS_BACK)
    days_ahead = _days(_("Jours à venir"), DAYS_AHEAD)
    which_kinds = forms.ChoiceField(
        label=_("Genres d'absence"),
        widget=forms.RadioSelect,
        initial=ALL,
        choices=((ALL, _("Tous")), (CHOSEN, _("Seulement ceux-ci"))),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Genres choisis"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(kind.value, kind.label.capitalize()) for kind in Kind],
    )
    holidays = forms.BooleanField(label=_("Avec les jours fériés"), required=False)

    def __init__(self, owner: Agent, *args: Any, feed: Feed | None = None, **kwargs: Any) -> None:
        self.owner, self.feed = owner, feed
        if feed is not None:
            kwargs["initial"] = {
                "name": feed.name,
                "privacy": feed.privacy,
                "days_back": feed.days_back,
                "days_ahead": feed.days_ahead,
                "which_kinds": ALL if feed.kinds is None else CHOSEN,
                "kinds": feed.kinds or [],
                "holidays": feed.holidays,
            }
        super().__init__(*args, **kwargs)
        if feed is not None:
            for name in ("whose", "agent_email", "service", "organisation"):
                del self.fields[name]
            return
        for name, model in ((SERVICE, Service), (ORGANISATION, Organisation)):
            seen = model.objects.visible_to(owner).order_by("name", "pk").values_list("pk", "name")
            self.fields[name].choices = [(str(pk), title) for pk, title in seen]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        data = {name: values.get(name) for name in ("name", "privacy", "days_back", "days_ahead", "holidays")}
        data["kinds"] = values.get("kinds", []) if values.get("which_kinds") == CHOSEN else None
        if values.get("which_kinds") == ALL and values.get("kinds"):
            # Less was meant, or more: nobody can tell.
            sentence = _("Vous en avez coché, mais choisi « Tous » : choisissez l'un ou l'autre.")
            self.add_error("kinds", ValidationError(sentence))
        if self.feed is None:
            data |= self._target(values)
        context = {"request": SimpleNamespace(user=self.owner)}
        self.serializer = FeedSerializer(self.feed, data=data, context=context)
        try:
            self.serializer.is_valid()
        except Invalid as error:
            for name, failures in error.failures.items():
                shown = name.removesuffix("_id")
                place = "agent_email" if shown == AGENT else shown
                place = place if place in self.fields else None
                if place not in self.errors:
                    self.add_error(place, failures)  # type: ignore[arg-type]
        return values

    def _target(self, values: dict[str, Any]) -> dict[str, Any]:
        """Of whom, as the API names it."""
        match values.get("whose"):
            case "agent":
                email = normalise_email(values.get("agent_email") or "")
                found = Agent.objects.visible_to(self.owner).filter(email=email).values_list("pk", flat=True).first()
                if not email:
                    self.add_error("agent_email", ValidationError(BLANK, code="blank"))
                elif found is None:
                    self.add_error("agent_email", ValidationError(NOBODY_SEEN, code="inclusion"))
                return {"agent_id": found}
            case "service" | "organisation" as what:
                if not values.get(what) and what not in self.errors:
                    self.add_error(what, ValidationError(BLANK, code="blank"))
                return {f"{what}_id": values.get(what)}
        return {}

    def save(self) -> tuple[Feed, str]:
        """The saved feed, and the secret of its address where it is new."""
        return self.serializer.save(), self.serializer.secret
