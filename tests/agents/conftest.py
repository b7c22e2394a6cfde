"""What several tests of the agents share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from agents.authentication.jwt.issuers import Issuer
from agents.models import Agent
from rdv.settings import OidcIssuer
from tests.identity_provider import AUDIENCE, SUB, IdentityProvider


@pytest.fixture
def provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    """An identity provider whose tokens are accepted."""
    monkeypatch.setattr(Issuer, "_all", {})  # the port may be one that another had
    with IdentityProvider() as provider:
        settings.RDV_OIDC_ISSUERS = (OidcIssuer(provider.issuer, (AUDIENCE,)),)
        yield provider


@pytest.fixture
def known_there(cast: SimpleNamespace) -> Agent:
    """Martine, whom the provider knows as SUB."""
    cast.martine.inclusion_connect_open_id_sub = SUB
    cast.martine.save()
    return cast.martine
