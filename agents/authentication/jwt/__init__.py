"""JSON Web Tokens: ours, of `POST /api/auth/login`, and those of the issuers that are configured (row T9)."""

from __future__ import annotations

from agents.models import Refused
from rdv.api.errors import Unauthenticated

from ..credential import Credential
from . import ours, outside
from .form import read
from .issuers import configured
from .ours import JwtCredential, issue, signed
from .outside import OidcCredential

__all__ = ["JwtCredential", "OidcCredential", "authenticate", "issue", "signed"]


def authenticate(text: str) -> Credential:
    """The credential that a JSON Web Token is. Raises Unauthenticated with the reason, IdentityProviderUnavailable
    when the keys of its issuer are not to be had. Asks the database nothing before the signature was found good.
    """
    header, claims = read(text)
    issuer = claims.get("iss")
    if issuer == ours.issuer():
        return ours.accept(text, header)
    configuration = configured(issuer)
    if configuration is None:
        raise Unauthenticated(Refused.UNKNOWN)
    return outside.accept(text, header, configuration)
