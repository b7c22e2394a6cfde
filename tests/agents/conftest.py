"""What several tests of the agents share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from agents.models import Agent
from rdv.settings import OidcIssuer
from tests.identity_provider import AUDIENCE, SUB, IdentityProvider


@pytest.fixture
def provider(settings: Any) -> Iterator[IdentityProvider]:
    """An identity provider whose tokens are accepted."""
    with IdentityProvider() as provider:
        settings.RDV_OIDC_ISSUERS = (OidcIssuer(provider.issuer, (AUDIENCE,)),)
        yield provider


@pytest.fixture
def known_there(cast: SimpleNamespace) -> Agent:
    """Martine, whom the provider knows as SUB."""
    cast.martine.inclusion_connect_open_id_sub = SUB
    cast.martine.save()
    return cast.martine
