from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _settle(*, using: str = "default", **_signal: Any) -> None:
    """After a restore, as at the first start: see to it that what is there counts as committed (`committed.py`)."""
    from .committed import settle

    settle(using)


class ApiConfig(AppConfig):
    """How we speak has tables of its own: the answers that are kept for whoever asks again (`idempotency.py`), and the
    life of the database in which places among changes mean something (`committed.py`).
    """

    name = "rdv.api"
    label = "api"

    def ready(self) -> None:
        post_migrate.connect(_settle, sender=self, weak=False)
