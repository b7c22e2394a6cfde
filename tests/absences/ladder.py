"""Who reaches the absences of Bruno, basic agent of the PMI at the MDS: the ladder that every verb climbs.

Whoever may see him may list, show, create, change and delete his absences (contract 3.3); nobody else any of it.
"""

import pytest

REACHES_BRUNO = {
    "etienne": False,  # unrelated: same service, another organisation of another territory
    "nora": False,  # no role at all
    "ines": False,  # intervenant: seen by others, sees nobody
    "chloe": False,  # basic agent of the same organisation, another service
    "bruno": True,  # himself, through his basic role
    "paul": True,  # basic colleague of his service
    "sophie": True,  # secretariat
    "martine": True,  # admin
    "thierry": True,  # territorial admin, without a role in the organisation
}

climbed = pytest.mark.parametrize(("who", "reaches"), REACHES_BRUNO.items())

UNKNOWN_CALLER = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
FORBIDDEN = {
    "errors": [{"base": "forbidden"}],
    "error_messages": [
        "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action",
    ],
}
# What no absence can be called by (contract 1.1).
NOBODY = ("999999999", "0", "-1", "inconnu", "9" * 19, "1" * 30, "%20", "null")
