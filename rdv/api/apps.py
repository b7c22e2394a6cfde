from django.apps import AppConfig


class ApiConfig(AppConfig):
    """How we speak has a table of its own: the answers that are kept for whoever asks again (`idempotency.py`)."""

    name = "rdv.api"
    label = "api"
