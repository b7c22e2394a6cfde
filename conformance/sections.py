"""The sections of the contract, and why some have no test: `pytest --pyargs conformance --sections` prints them."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """`untested`: why no test can hold the section; "" when tests do."""

    title: str
    untested: str = ""


_NOT_SERVED = "not served yet by the server that this kit was written beside"

SECTIONS = {
    "1.1": Section("Transport: addresses, bodies, verbs, identifiers"),
    "1.2": Section("Response headers, conditional reading, CORS"),
    "1.3": Section("Status codes, and the order of the checks"),
    "1.4": Section("Input formats: DATE and TIME"),
    "1.5": Section("Output formats"),
    "1.6": Section("Envelopes and pages"),
    "1.7": Section("Error bodies"),
    "1.8": Section("Shape of an invalid record"),
    "1.9": Section("Sentences of 403"),
    "1.10": Section("Validation messages"),
    "2.1": Section("Ways in, and their order"),
    "2.2": Section("Addresses under auth"),
    "2.3": Section("Sign-in"),
    "2.4": Section("Credentials headers"),
    "2.5": Section("Tokens: what is accepted"),
    "2.6": Section("Other places the triple is read from"),
    "2.7": Section("Shared secret: what is refused (the kit knows no secret, so not what is accepted)"),
    "2.8": Section("Other auth endpoints"),
    "2.9": Section("Accounts"),
    "3.1": Section("Objects of the domain", "says what things are; what follows from it is seen in 3.3 and 4"),
    "3.2": Section("Vocabulary for the rules", "the words of 3.3; conformance/directory.py speaks them"),
    "3.3": Section("Who sees and may do what"),
    "4.1": Section("Shared objects"),
    "4.2": Section("Absences"),
    "4.3": Section("Agents"),
    "4.4": Section("Organisations"),
    "4.5": Section("Users", _NOT_SERVED),
    "4.6": Section("User profiles", _NOT_SERVED),
    "4.7": Section("Referent assignations", _NOT_SERVED),
    "4.8": Section("Motifs", _NOT_SERVED),
    "4.9": Section("Rdvs", _NOT_SERVED),
    "4.10": Section(f"Webhook endpoints (participations are {_NOT_SERVED})"),
    "4.11": Section("Public links", _NOT_SERVED),
    "4.12": Section("The subset of rdv-insertion", "needs the shared secret, which is no input of the kit"),
    "4.13": Section("What rdv-insertion depends on", "a list of what its calls read; each read is in its own section"),
    "5.1": Section("Recurrence"),
    "5.2": Section("The rrule string"),
    "5.3": Section("The calendar of an absence"),
    "5.4": Section("The calendar of an rdv", "in mails only, which the kit does not receive"),
    "5.5": Section("Webhooks: what is sent, signed and sent again"),
    # What RDV has beside the contract. A server that does not offer one skips its tests.
    "+services": Section("Addition: the list of services"),
    "+pages": Section("Addition: pages in headers, shorter pages, walks by cursor"),
    "+filters": Section("Addition: filters of the list of absences"),
    "+reasons": Section("Addition: why a 401, where a creation is, which part of a body is wrong"),
    "+writes": Section("Addition: retries that are done once, no lost update, light answers"),
    "+problems": Section("Addition: errors as application/problem+json, for who asks"),
    "+languages": Section("Addition: English sentences"),
    "+webhooks": Section("Addition: webhook endpoints shown and removed, deliveries with an id and a second signature"),
    "+limits": Section("Addition: limits of bodies and of guessing"),
}


def order(section: str) -> int:
    """The place of a section in the contract."""
    return list(SECTIONS).index(section)


def is_within(section: str, asked: str) -> bool:
    """Whether `section` is `asked` or a part of it: 1.10 is within 1, not within 1.1."""
    return section == asked or section.startswith(f"{asked}.")
