"""`manage.py demo`: fill an empty server with a directory that looks like life."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone, translation

from absences.demo import ADMINISTRATOR, PASSWORD, demo_directory
from absences.provision import provision
from agents.models import Agent
from agents.record import acting_as
from rdv.api.times import PARIS


class Command(BaseCommand):
    help = "Fill an empty directory with agents and absences to try the server with. Does nothing if there are agents."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--print", action="store_true", help="write the directory file to standard output instead")
        parser.add_argument("--force", action="store_true", help="add the demo to a directory that has agents")

    def handle(self, *args: Any, **options: Any) -> None:
        document = demo_directory(timezone.now().astimezone(PARIS).date())
        if options["print"]:
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
            return
        if settings.PRODUCTION:
            raise CommandError("The demo's passwords are known to everyone: it is not for production.")
        if Agent.objects.exists() and not options["force"]:
            self.stdout.write("There are agents already: the demo is left out.")
            return
        with translation.override("en"), acting_as("demo"), transaction.atomic():
            plan = provision(document)
            # After the agents, so that Martine comes first.
            if not Agent.objects.filter(email=ADMINISTRATOR).exists():
                Agent.objects.create_superuser(ADMINISTRATOR, PASSWORD)
        self.stdout.write(str(plan))
