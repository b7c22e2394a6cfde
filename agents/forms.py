"""How passwords are chosen on the administration pages: by the rules of the API, and with its consequences."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.forms import AdminPasswordChangeForm as OwnPasswordChangeForm
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from .models import Agent, ClientToken, end_tokens


class _EndsOtherSessions:
    """A password that changes ends every token of the agent, as it does by API (contract 2.8)."""

    def set_password_and_save(self, user: Agent, *args: Any, **kwargs: Any) -> Agent:
        super().set_password_and_save(user, *args, **kwargs | {"commit": False})  # type: ignore[misc]
        with transaction.atomic():
            # The password and nothing else: the rest was read before others may have changed it.
            user.save(update_fields=("password", "updated_at"))
            ClientToken.objects.filter(agent=user).revoke()
            end_tokens(user.pk)
        return user


class SignInForm(AdminAuthenticationForm):
    error_messages = AdminAuthenticationForm.error_messages | {
        "invalid_login": _("E-mail ou mot de passe inconnu, ou compte sans accès à l'administration.")
    }


class OwnPasswordForm(_EndsOtherSessions, OwnPasswordChangeForm):
    """Of the administrator who is signed in; asks for the current one."""


class AgentPasswordForm(_EndsOtherSessions, AdminPasswordChangeForm):
    """Of another agent."""

    usable_password_help_text = _(
        "« Désactivée » : l'agent ne se connecte plus par mot de passe, et le mot de passe actuel est oublié."
    )


class NewAgentForm(BaseUserCreationForm):
    """An agent, with a password or without: then they cannot sign in with one."""

    class Meta:
        model = Agent
        fields = ("first_name", "last_name", "email", "services")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].required = self.fields["password2"].required = False

    def clean(self) -> dict[str, Any]:
        super().clean()
        # The rules are told beside the second field: a first one alone must not pass for none.
        if self.cleaned_data.get("password1") and not self.cleaned_data.get("password2"):
            self.add_error("password2", self.error_messages["password_mismatch"])
        if self.cleaned_data.get("password2") and not self.cleaned_data.get("password1"):
            self.add_error("password1", self.error_messages["password_mismatch"])
        return self.cleaned_data

    def set_password_and_save(self, user: Agent, *, commit: bool = True) -> Agent:
        user.set_password(self.cleaned_data["password1"] or None)
        if commit:
            user.save()
        return user
