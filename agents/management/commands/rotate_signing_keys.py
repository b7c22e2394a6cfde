"""A new key for the JSON Web Tokens to come; those that were signed with the former one stay good until their end."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from agents.models import signing
from agents.record import acting_as


class Command(BaseCommand):
    help = "Makes a new key to sign JSON Web Tokens with, and retires the former one."

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as("rotate_signing_keys"):
            key, retired, gone = signing.rotate()
        self.stdout.write(f"New signing key: {key.kid}")
        self.stdout.write(f"Retired: {retired}. Dropped: {gone}.")
