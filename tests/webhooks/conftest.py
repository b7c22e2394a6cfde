from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from .receiver import Receiver

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
def this_machine(settings: Any) -> None:
    """Webhooks may be sent to this machine, as a setting allows for tests."""
    settings.RDV_WEBHOOKS_ALLOWED_NETWORKS = LOOPBACK


@pytest.fixture
def receiver(this_machine: None) -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening
