"""From a request to whoever sent it, and the credential that they came with (contract 2.1)."""

from .bearer import BearerAuthentication, KeyCredential
from .carriers import presented_triple
from .credential import Credential
from .session import SessionAuthentication, SessionCredential, still_signed_in
from .shared_secret import SharedSecretAuthentication, SharedSecretCredential, signature
from .triple import TripleAuthentication, TripleCredential, find_token

__all__ = [
    "BearerAuthentication",
    "Credential",
    "KeyCredential",
    "SessionAuthentication",
    "SessionCredential",
    "SharedSecretAuthentication",
    "SharedSecretCredential",
    "TripleAuthentication",
    "TripleCredential",
    "find_token",
    "presented_triple",
    "signature",
    "still_signed_in",
]
