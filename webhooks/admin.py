"""The pages of webhooks. No secret is ever shown: a new one is typed over it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents.admin.base import HouseAdmin, LinkFilter, RowForm
from agents.models import Organisation

from . import outbox
from .models import SUBSCRIPTIONS, WebhookEndpoint
from .models.endpoint import LONGEST_SECRET

admin.site.get_model_admin(Organisation).lists += ((_("webhooks"), "webhooks_webhookendpoint", "organisation"),)


class OfOrganisation(LinkFilter):
    title = _("organisation")
    parameter_name = "organisation"
    model = Organisation

    def narrow(self, queryset: Any, chosen: Organisation) -> Any:
        return queryset.filter(organisation=chosen)


class EndpointForm(RowForm):
    subscriptions = forms.MultipleChoiceField(
        label=_("abonnements"),
        required=False,
        choices=[(name, name) for name in SUBSCRIPTIONS],
        widget=forms.CheckboxSelectMultiple,
    )
    new_secret = forms.CharField(
        label=_("secret"),
        required=False,
        max_length=LONGEST_SECRET,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Ce qui signe chaque envoi ; il n'est jamais montré. Vide : celui d'avant."),
    )

    def clean_new_secret(self) -> str:
        typed: str = self.cleaned_data["new_secret"]
        if not typed and self.instance.pk is None:
            raise forms.ValidationError(_("doit être rempli(e)"), code="blank")
        return typed

    def save(self, commit: bool = True) -> WebhookEndpoint:
        endpoint: WebhookEndpoint = self.instance
        if self.cleaned_data.get("new_secret"):
            endpoint.give_secret(self.cleaned_data["new_secret"])
        if "active" in self.changed_data:
            if endpoint.active:
                endpoint.switch_on()
            else:
                endpoint.switch_off(WebhookEndpoint.Why.MANUAL)
        return super().save(commit)  # type: ignore[no-any-return]


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HouseAdmin):
    form = EndpointForm
    list_display = ("target_url", "organisation", "told", "active", "failing_since")
    list_select_related = ("organisation",)
    list_filter = (OfOrganisation, "active")
    search_fields = ("target_url",)
    search_help_text = _("Adresse")
    autocomplete_fields = ("organisation", "owner")
    fieldsets = (
        (None, {"fields": ("organisation", "target_url", "new_secret", "subscriptions", "active", "owner")}),
        (_("Ce qu'il en est"), {"fields": ("disabled_at", "disabled_why", "failing_since", "former_secret_until")}),
        (_("Repères"), {"classes": ("collapse",), "fields": ("version", "created_at", "updated_at")}),
    )
    readonly_fields = (
        *("disabled_at", "disabled_why", "failing_since", "former_secret_until"),
        *("version", "created_at", "updated_at"),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:1]

    @admin.display(description=_("abonnements"))
    def told(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.subscriptions)

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """As by API, but that nothing is sent again."""
        super().save_model(request, obj, form, change)
        if not obj.active:
            outbox.hold_back(obj)
