"""The forms of the pages. What a key, an email or a password must be is the API's to say, and told in its words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, SetPasswordMixin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from agents.models import AccessKey, Agent, ApiAccount, Organisation
from agents.models.keys import RESOURCES
from agents.serializers import ExpiresField, KeySerializer
from agents.views.sign_in import MAX_EMAIL
from rdv.api.errors import Invalid
from rdv.api.messages import BLANK


class AgentSignInForm(AuthenticationForm):
    username = forms.CharField(
        label=_("E-mail"),
        max_length=MAX_EMAIL,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        "invalid_login": _("E-mail ou mot de passe inconnu."),
        "inactive": _("Votre compte n'est pas actif : adressez-vous à un administrateur."),
    }

    def confirm_login_allowed(self, user: Any) -> None:
        """Asked after the password, so that a wrong one tells nothing."""
        if not user.usable:
            raise ValidationError(self.error_messages["inactive"], code="inactive")


RESOURCE_NAMES = {
    "absences": _("Absences"),
    "agents": _("Agents"),
    "organisations": _("Organisations"),
    "services": _("Services"),
    "audit": _("Journal"),
    "webhooks": _("Webhooks"),
}
ON_A_DAY, NEVER = "date", "never"
ALL, CHOSEN = "all", "chosen"


class NewKeyForm(forms.Form):
    """A key of an agent or of an API account: its choices, which `KeySerializer` judges as it does by API."""

    name = forms.CharField(
        label=_("Nom"),
        required=False,
        widget=forms.TextInput(attrs={"required": True, "autocomplete": "off", "maxlength": 255}),
        help_text=_("Pour la reconnaître plus tard : le programme ou la personne qui s'en sert."),
    )
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))
    end = forms.ChoiceField(label=_("Fin"), widget=forms.RadioSelect, initial=str(KeySerializer.DEFAULT_DAYS))
    end_day = forms.CharField(
        label=_("Dernier jour"), required=False, widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Valable jusqu'à la fin de ce jour."),
    )  # fmt: skip
    access = forms.ChoiceField(
        label=_("Droits"),
        widget=forms.RadioSelect,
        initial="true",
        choices=(("true", _("Lecture seule")), ("false", _("Lecture et écriture"))),
    )
    which_resources = forms.ChoiceField(
        label=_("Ressources"),
        widget=forms.RadioSelect,
        initial=ALL,
        choices=((ALL, _("Toutes, y compris celles à venir")), (CHOSEN, _("Seulement celles-ci"))),
    )
    resources = forms.MultipleChoiceField(
        label=_("Ressources choisies"), required=False, widget=forms.CheckboxSelectMultiple
    )
    which_organisations = forms.ChoiceField(
        label=_("Organisations"),
        widget=forms.RadioSelect,
        initial=ALL,
        choices=((ALL, _("Toutes, y compris celles à venir")), (CHOSEN, _("Seulement celles-ci"))),
    )
    organisations = forms.MultipleChoiceField(
        label=_("Organisations choisies"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, owner: Agent | ApiAccount, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        days = [(str(days), _("%(days)d jours") % {"days": days}) for days in ExpiresField.DAYS]
        never = [(NEVER, _("Jamais"))] if settings.RDV_KEYS_WITHOUT_END else []
        self._choose("end", [*days, (ON_A_DAY, _("À une date")), *never])
        self._choose("resources", [(name, RESOURCE_NAMES[name]) for name in RESOURCES])
        reached = Organisation.objects.filter(pk__in=owner.reach.named).order_by("name", "pk")
        self._choose("organisations", [(str(pk), name) for pk, name in reached.values_list("pk", "name")])

    def _choose(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        data = {
            "name": values.get("name"),
            "note": values.get("note"),
            "expires_at": values.get("end_day") if values.get("end") == ON_A_DAY else values.get("end"),
            "read_only": values.get("access"),
        }
        if values.get("end") == ON_A_DAY and not values.get("end_day"):
            self.add_error("end_day", ValidationError(BLANK, code="blank"))
        for name in ("resources", "organisations"):
            chosen = values.get(name, [])
            if values.get(f"which_{name}") == CHOSEN:
                data[name] = chosen
            elif chosen:
                # More than was meant must not be given by a slip.
                sentence = _("Vous en avez coché, mais choisi « Toutes » : choisissez l'un ou l'autre.")
                self.add_error(name, ValidationError(sentence, code="contradiction"))
        self.serializer = KeySerializer(data=data, context={"request": SimpleNamespace(user=self.owner)})
        try:
            self.serializer.is_valid()
        except Invalid as error:
            for name, failures in error.failures.items():
                self._tell(name, failures)
        return values

    def _tell(self, name: str, failures: list[ValidationError]) -> None:
        """The API's failures beside the field that they are about; once, when that field has its own."""
        if name == "expires_at":
            name = "end_day" if self.cleaned_data.get("end") == ON_A_DAY else "end"
        elif name == "read_only":
            name = "access"
        place = name if name in self.fields else None
        if place not in self.errors:
            self.add_error(place, failures)  # type: ignore[arg-type]

    def make(self) -> tuple[AccessKey, str]:
        """The saved key, and its secret, never to be had again."""
        return self.serializer.save(), self.serializer.secret


class FirstAdministratorForm(SetPasswordMixin, forms.Form):
    """Who will be superuser; by the rules of the API."""

    secret = forms.CharField(
        label=_("Secret"),
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=_("Celui que le serveur a affiché à son démarrage."),
    )
    email = forms.EmailField(
        label=_("E-mail"), max_length=MAX_EMAIL, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password1, password2 = SetPasswordMixin.create_password_fields(_("Mot de passe"), _("Mot de passe, à nouveau"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password2"].help_text = ""

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.agent = Agent(email=self.cleaned_data.get("email"), is_staff=True, is_superuser=True)
        if self.agent.email:
            try:
                self.agent.full_clean(exclude=("password",))
            except ValidationError as error:
                self.add_error("email", error.messages)  # type: ignore[arg-type]
        self.validate_passwords()
        self.validate_password_for_user(self.agent, "password1")
        return self.cleaned_data
