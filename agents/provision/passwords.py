"""Passwords of the file against the stored hashes, as fast as a slow hash honestly allows.

An Argon2 hash takes some 20 to 30 ms of a core, to check as to make. They are computed on all cores at once (Argon2
lets go of the interpreter's lock), and never inside the transaction, so that nobody waits for them. No quick
fingerprint of a password is kept anywhere: it would undo the slow hash.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from django.contrib.auth.hashers import check_password, is_password_usable, make_password

from .section import Track, untracked

# Up to this many new passwords, each has a salt of its own: some ten seconds of two cores. In a larger load (a
# rehearsal, a training day) the agents to whom the file gives *the same* password share one hash. What that tells
# somebody who holds the database, that these agents were given one password, cracking any one of them would tell as
# well; and an agent who chooses another password has a salt of their own again.
OWN_SALTS = 500


class Wanted(NamedTuple):
    """`clear` is the password that the file gives (None: none); `encoded` what is stored, empty for a new agent."""

    email: str
    encoded: str
    clear: str | None


class Passwords:
    """What to store for each password wanted; remembers what it worked out."""

    def __init__(self) -> None:
        self._known: dict[Wanted, str] = {}

    def encoded(self, wanted: Wanted) -> str:
        """What is to be stored: the stored hash itself when it matches the password."""
        return self._known[wanted]

    def work_out(self, wanted: Iterable[Wanted], track: Track = untracked) -> None:
        """Check, and hash where there is no match. What is known already costs nothing."""
        unknown = [want for want in wanted if want not in self._known]
        for want in unknown:
            if want.clear is None:
                usable = not want.encoded or is_password_usable(want.encoded)
                self._known[want] = make_password(None) if usable else want.encoded
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) as threads:
            self._check(threads, [want for want in unknown if want.clear is not None and want.encoded], track)
            self._hash(threads, [want for want in unknown if want not in self._known], track)

    def _check(self, threads: ThreadPoolExecutor, wanted: list[Wanted], track: Track) -> None:
        # Agents with a shared hash and the same password are one question.
        questions = list({(want.clear, want.encoded) for want in wanted})
        answers = threads.map(lambda question: check_password(*question), questions)
        matches = dict(zip(questions, _followed(answers, questions, track, "checking passwords"), strict=True))
        self._known |= {want: want.encoded for want in wanted if matches[want.clear, want.encoded]}

    def _hash(self, threads: ThreadPoolExecutor, wanted: list[Wanted], track: Track) -> None:
        sharing = defaultdict(list)
        for want in wanted:
            sharing[want.clear, "" if len(wanted) > OWN_SALTS else want.email].append(want)
        groups = list(sharing.values())
        hashes = threads.map(lambda group: make_password(group[0].clear), groups)
        for group, encoded in zip(groups, _followed(hashes, groups, track, "hashing passwords"), strict=True):
            self._known |= dict.fromkeys(group, encoded)


def _followed(results: Iterable[Any], things: Sequence[Any], track: Track, label: str) -> Iterator[Any]:
    """`results`, one for each of `things`, as they come."""
    for _thing, result in zip(track(things, label), results, strict=True):
        yield result
