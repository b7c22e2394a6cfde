"""The server's own door, for what must be put right before Django sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from rdv.wsgi import application


@pytest.fixture
def door(db: None) -> Iterator[Any]:
    """The WSGI callable, in the database connection of the test, as Django's own test client keeps it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield application
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
