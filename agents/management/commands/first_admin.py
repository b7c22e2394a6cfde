"""`manage.py first_admin`: on a server that nobody administers yet, a secret with which somebody can (row T15)."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from agents.models.setup import FirstSecret


class Command(BaseCommand):
    help = (
        "Print a secret, once, and the address where it makes the first administrator. Prints nothing when there is "
        "one. A secret that is good still is not printed again: --renew makes another, and ends it."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--renew", action="store_true", help="another secret, if the former one was lost")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["renew"]:
                FirstSecret.objects.all().delete()
            secret = FirstSecret.objects.issue()
            waiting = FirstSecret.objects.waiting()
        except DatabaseError as error:
            raise CommandError(f"Whether somebody administers this server is not known: {error}") from None
        if waiting is None:
            return
        ends = date_format(timezone.localtime(waiting.expires_at), "DATETIME_FORMAT")
        address = f"{_origin()}{reverse('first_administrator')}"
        if secret is None:
            sentence = _(
                "Personne n'administre encore ce serveur. Un secret a été affiché, valable jusqu'au %(ends)s ; un "
                "autre, s'il est perdu : manage.py first_admin --renew"
            )
            self.stdout.write(sentence % {"ends": ends})
            return
        sentence = _(
            "Personne n'administre encore ce serveur. Le premier administrateur crée son compte ici :\n\n"
            "  %(address)s\n  secret : %(secret)s\n\n"
            "Ce secret n'est affiché qu'une fois ; il sert une fois, jusqu'au %(ends)s."
        )
        self.stdout.write(sentence % {"address": address, "secret": secret, "ends": ends})


def _origin() -> str:
    """By what name this server is called, as far as a command can know."""
    return settings.RDV_PUBLIC_URL or f"http://{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
