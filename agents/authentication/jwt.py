"""JSON Web Tokens: ours, of `POST /api/auth/login`, and those of the issuers that are configured (row T9)."""

from __future__ import annotations

from agents.models import Refused
from rdv.api.errors import Unauthenticated

from .credential import Credential


def authenticate(text: str) -> Credential:
    """The credential that a JSON Web Token is. Raises Unauthenticated with the reason."""
    raise Unauthenticated(Refused.UNKNOWN)
