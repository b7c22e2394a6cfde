"""Who plays whom: agents of the directory file, chosen by what they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Caller, Server
from .directory import Agent, Place


class Cast:
    """Agents of the file, by what they are. A name for which the file has nobody skips the test."""

    KINDS: dict[str, tuple[str, Callable[[Agent], bool]]] = {
        "territorial_admin": ("a territorial admin", lambda a: bool(a.territories)),
        "admin": ("an admin of an organisation", lambda a: bool(a.adm) and not a.secretary and not a.territories),
        "secretary": (
            "an agent of a secretariat who is no admin",
            lambda a: a.secretary and bool(a.roles) and not a.adm and not a.territories,
        ),
        "basic": (
            "an agent with basic roles only",
            lambda a: bool(a.bas) and a.bas == set(a.roles) and not a.secretary and not a.territories,
        ),
        "mixed": (
            "an agent who is admin here and basic there",
            lambda a: bool(a.adm) and bool(a.bas) and not a.secretary and not a.territories,
        ),
        "roleless": ("an agent without role", lambda a: not a.roles and not a.territories),
    }

    def __init__(self, server: Server) -> None:
        self.server = server
        self.directory = server.directory

    def agents(self, kind: str) -> list[Agent]:
        """Those of a kind who can sign in; first those who see somebody and from whom somebody is hidden."""
        found = [one for one in self.directory.agents if one.can_sign_in and self.KINDS[kind][1](one)]
        return sorted(found, key=lambda one: (not self._contrast(one), bool(one.roles) and kind == "territorial_admin"))

    def _contrast(self, agent: Agent) -> bool:
        return bool(self.directory.seen_by(agent)) and bool(self.directory.hidden_from(agent))

    def __getattr__(self, kind: str) -> Caller:
        if kind not in self.KINDS:
            raise AttributeError(kind)
        agents = self.agents(kind)
        if not agents:
            pytest.skip(f"the directory file has nobody with a password who is {self.KINDS[kind][0]}")
        return self.server.caller(agents[0])

    @property
    def worker(self) -> Caller:
        """Somebody who sees at least one agent, and from whom one is hidden whom somebody else sees: the caller of
        whatever depends on no kind.
        """
        for kind in ("admin", "secretary", "basic", "mixed", "territorial_admin"):
            for agent in self.agents(kind):
                if self.directory.seen_by(agent) and self._hidden(agent):
                    return self.server.caller(agent)
        pytest.skip("the directory file has nobody with a password who sees somebody and not somebody else")

    @property
    def steward(self) -> tuple[Caller, list[Place]]:
        """Somebody who administers a territory and has roles in organisations of it, the most there are, and these:
        who may make webhook endpoints, and sees them (contract 3.3).
        """
        found = [(one, sorted(self.directory.orgt(one) & one.reach)) for one in self.agents("territorial_admin")]
        agent, places = max(found, key=lambda one: len(one[1]), default=(None, []))
        if agent is None or not places:
            pytest.skip("the directory file has no territorial admin with a password who works in their territory")
        return self.server.caller(agent), places

    def colleague(self, place: Place) -> Caller:
        """Somebody who has a role there, and does not administer the territory."""
        for agent in self.directory.agents:
            if agent.can_sign_in and place in agent.roles and place[0] not in agent.territories:
                return self.server.caller(agent)
        pytest.skip(f"the directory file has nobody with a password in {place[1]} but who administers the territory")

    def stranger(self, place: Place) -> Caller:
        """Somebody who works, but not there nor for the whole territory."""
        for agent in self.directory.agents:
            if agent.can_sign_in and agent.roles and place not in self.directory.orgt(agent) | agent.reach:
                return self.server.caller(agent)
        pytest.skip(f"everybody of the directory file with a password has to do with {place[1]}")

    def seen(self, caller: Caller) -> Agent:
        """An agent whom the caller sees: somebody else, where there is somebody."""
        seen = self.directory.seen_by(caller.who)
        if not seen:
            pytest.skip(f"{caller.who.email} sees nobody of the directory file")
        return next((one for one in seen if one is not caller.who and one.active), seen[0])

    def _hidden(self, agent: Agent) -> list[tuple[Agent, Agent]]:
        """Those hidden from the agent, each with somebody who sees them and can sign in."""
        able = [one for one in self.directory.agents if one.can_sign_in]
        return [
            (one, seer) for one in self.directory.hidden_from(agent) for seer in able if self.directory.sees(seer, one)
        ]

    def hidden(self, caller: Caller) -> tuple[Agent, Caller]:
        """An agent whom the caller does not see, and somebody who does."""
        for one, seer in self._hidden(caller.who):
            return one, self.server.caller(seer)
        pytest.skip(f"the directory file has nobody whom {caller.who.email} does not see and somebody else does")

    @property
    def newcomer(self) -> Agent:
        """Somebody who can sign in, and whom no other test needs to stay so: the last of the file, the sooner without
        role.
        """
        able = [one for one in self.directory.agents if one.can_sign_in]
        return next((one for one in reversed(able) if not one.roles), able[-1])
