"""The directory file: an agency's territories, services, organisations and agents, compared with what is stored.

One rule for every key: a key that is absent leaves what is stored as it is, and takes its default in a new row; null
takes the value away where a row may be without it. So, of an agent:

- `active` absent: unchanged; true for a new agent.
- `password` absent: unchanged; a new agent then has none and cannot sign in with one. Null takes the password away.
  A password is set only when the stored hash does not match it; the agent's sessions then end, as with any change.
- `roles`, `services`, `territorial_admin_of` absent: unchanged. Given: exactly these; the others are removed.
- `external_ids` absent: unchanged. Given, `{"rh": "A-17"}`: exactly these, in the territory of each organisation where
  the agent then has a role, and in no other; null: none. An agent without a role has none.
- `access_level` absent from a role: unchanged; `basic` in a new one.
- `organisation` of a role: by name. Where two territories have one of that name, `departement_number` beside it says
  which.

Names of services and emails are compared without regard to case, and take the case of the file. Texts are trimmed,
passwords are not. Nothing that the file does not list is touched, agents who left included.

Rows are written in bulk: no `save()` and no signal of a row is involved.
"""

from .directory import Organisations, Services, Territories
from .document import Problems, Refused, read_document
from .passwords import Passwords
from .people import Agents
from .section import ChangedMeanwhile, Section, Track, untracked

__all__ = [
    "Agents",
    "ChangedMeanwhile",
    "Organisations",
    "Passwords",
    "Problems",
    "Refused",
    "Section",
    "Services",
    "Territories",
    "Track",
    "read_document",
    "untracked",
]
