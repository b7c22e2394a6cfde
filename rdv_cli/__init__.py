"""`rdv`, RDV at the command line: a program of its own, made at each run of what the server says of itself.

It knows the server by its address alone, and imports nothing of it; `pip install .` installs it without the server.
"""

from __future__ import annotations

from typing import Any

VERSION = "0.1.0"


def offered(document: dict[str, Any]) -> dict[str, frozenset[str]]:
    """What the command line offers of an OpenAPI document of RDV: the parameters by the id of their operation.

    It is read back from the commands that are made of it, to be compared with the API's other faces.
    """
    from .commands import offered_by
    from .document import Catalogue

    return offered_by(Catalogue.of(document))
