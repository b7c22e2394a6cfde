"""Django's own command, with the consequence that a new password has everywhere: it ends what the former one opened."""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from agents.models import Agent, ClientToken, end_tokens
from agents.record import acting_as


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        options["username"] = options["username"] or getpass.getuser()
        with acting_as("changepassword"):
            return self._change(*args, **options)

    def _change(self, *args: Any, **options: Any) -> Any:
        done = super().handle(*args, **options)
        with transaction.atomic():
            agent = Agent.objects.get(email=options["username"])
            ClientToken.objects.filter(agent=agent).revoke()
            end_tokens(agent.pk)
        return done
