"""Whoever replays the changes has what a full read gives (C8): random writes by several at once, transactions that are
long in coming or undone, readers who took their tokens at any moment.

On PostgreSQL writers and readers are threads with connections of their own; SQLite has one writer at a time, and there
they take turns. A seed is a sequence of operations, but what happens at once is the machine's to say.
"""

from __future__ import annotations

import datetime
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from absences.changes.reading import since
from absences.changes.token import FullSyncRequired
from absences.models import Absence, DeletedAbsence
from absences.serializers import ABSENCE, COLUMNS
from agents.models import AccessLevel, Agent, AgentRole, Organisation
from rdv.api.transactions import write
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]

ON_POSTGRESQL = connection.vendor == "postgresql"
BASE = "http://testserver"
WRITERS, READERS = 4, 3
PATIENCE = 3600


class _Undone(Exception):
    """A writer who changed their mind."""


class World:
    """Two organisations, agents who come, change and leave, and four who watch: two admins, one of the secretariat, and
    one who sees the agents of their service.
    """

    def __init__(self) -> None:
        self.places = [OrganisationFactory() for _ in range(2)]
        self.services = [ServiceFactory(), ServiceFactory(), ServiceFactory(secretariat=True)]
        for _ in range(12):
            AgentFactory(basic_in=[random.Random(_).choice(self.places)], services=self.services[:1])
        self.watchers = [
            AgentFactory(admin_of=self.places[:1]).pk,
            AgentFactory(admin_of=self.places).pk,
            AgentFactory(basic_in=self.places, services=self.services[2:]).pk,
            AgentFactory(basic_in=self.places, services=self.services[:1]).pk,
        ]

    def everything(self, watcher: int) -> dict[int, Any]:
        """A full read: what the list shows of all that one sees."""
        rows = Absence.objects.visible_to(Agent.objects.get(pk=watcher)).for_wire().values_list(*COLUMNS)
        return {row[0]: ABSENCE.render(BASE, *row) for row in rows}


class Writer:
    """Does one thing after the other, each in a transaction of its own; some take their time, some are undone."""

    def __init__(self, world: World, seed: str) -> None:
        self.world, self.dice, self.done = world, random.Random(seed), Counter[str]()
        self.deeds: dict[str, tuple[float, Callable[[], None]]] = {
            "create": (30, self.create),
            "create in bulk": (4, self.create_in_bulk),
            "change": (25, self.change),
            "change in bulk": (4, self.change_in_bulk),
            "change one occurrence": (6, self.change_one_occurrence),
            "delete": (12, self.delete),
            "delete in bulk": (1, self.delete_in_bulk),
            "restore": (6, self.restore),
            "give to another": (2, self.give_to_another),
            "rename an agent": (2, self.rename_an_agent),
            "rename a place": (1, self.rename_a_place),
            "give a role": (0.6, self.give_a_role),
            "take a role": (0.6, self.take_a_role),
            "join": (0.3, self.join),
            "leave": (0.3, self.leave),
        }

    def act(self) -> None:
        what = self.dice.choices([*self.deeds], [weight for weight, _deed in self.deeds.values()])[0]
        lingers = ON_POSTGRESQL and self.dice.random() < 0.2
        undone = self.dice.random() < 0.03

        def deed() -> None:
            self.deeds[what][1]()
            if self.dice.random() < 0.3:
                with transaction.atomic():
                    self.create()
            if lingers:
                time.sleep(self.dice.random() * 0.05)
            if undone:
                raise _Undone

        # Somebody else deleted it, or was in the way for too long: another time.
        with suppress(_Undone, IntegrityError, OperationalError):
            write(deed)
            self.done[what] += 1

    def agent(self) -> Agent:
        """Any that may be worked with: not one of those who watch, but for the first."""
        return self.dice.choice(list(Agent.objects.filter(deleted_at=None).exclude(pk__in=self.world.watchers[1:])))

    def absences(self, most: int = 1) -> list[Absence]:
        pks = list(Absence.objects.order_by("pk").values_list("pk", flat=True))
        chosen = self.dice.sample(pks, min(most, len(pks)))
        return list(Absence.objects.select_for_update(no_key=True).filter(pk__in=chosen).order_by("pk"))

    def _made(self) -> Absence:
        return AbsenceFactory.build(
            agent=self.agent(),
            title=f"Absence {self.dice.randrange(1000)}",
            first_day=datetime.date(2026, 12, 1) + datetime.timedelta(days=self.dice.randrange(300)),
            private=self.dice.random() < 0.2,
            organisation=self.dice.choice([None, None, *self.world.places]),
        )

    def create(self) -> None:
        self._made().save()

    def create_in_bulk(self) -> None:
        Absence.objects.bulk_create(self._made() for _ in range(self.dice.randint(2, 6)))

    def change(self) -> None:
        for absence in self.absences():
            absence.title = f"Absence {self.dice.randrange(1000)}"
            absence.private = self.dice.random() < 0.2
            absence.save()

    def change_in_bulk(self) -> None:
        pks = [absence.pk for absence in self.absences(5)]
        Absence.objects.filter(pk__in=pks).update(title=f"Absence {self.dice.randrange(1000)}")

    def change_one_occurrence(self) -> None:
        for absence in self.absences():
            absence.end_day, absence.rrule = absence.first_day, "FREQ=DAILY;COUNT=5"
            day = (absence.first_day + datetime.timedelta(days=self.dice.randint(1, 4))).isoformat()
            if self.dice.random() < 0.5:
                absence.exdates = sorted({*(absence.exdates or ()), day})
            else:
                absence.overrides = {**(absence.overrides or {}), day: {"title": f"Autre {self.dice.randrange(1000)}"}}
            absence.save()

    def delete(self) -> None:
        for absence in self.absences():
            absence.delete()

    def delete_in_bulk(self) -> None:
        Absence.objects.filter(pk__in=[absence.pk for absence in self.absences(3)]).delete()

    def restore(self) -> None:
        pks = list(DeletedAbsence.objects.order_by("pk").values_list("pk", flat=True))
        chosen = [self.dice.choice(pks)] if pks else []
        for tombstone in DeletedAbsence.objects.select_for_update().filter(pk__in=chosen, agent__deleted_at=None):
            absence, version = tombstone.absence(), tombstone.version
            tombstone.delete()
            absence.version = version + 1
            absence.save(force_insert=True)

    def give_to_another(self) -> None:
        pks = [absence.pk for absence in self.absences()]
        Absence.objects.filter(pk__in=pks).update(agent=self.agent())

    def rename_an_agent(self) -> None:
        Agent.objects.filter(pk=self.agent().pk).update(last_name=f"NOM{self.dice.randrange(1000)}")

    def rename_a_place(self) -> None:
        place = self.dice.choice(self.world.places)
        Organisation.objects.filter(pk=place.pk).update(name=f"Maison {self.dice.randrange(10**6)}")

    def give_a_role(self) -> None:
        agent, place = self.agent(), self.dice.choice(self.world.places)
        level = self.dice.choice([AccessLevel.BASIC, AccessLevel.ADMIN])
        AgentRole.objects.update_or_create(agent=agent, organisation=place, defaults={"access_level": level})

    def take_a_role(self) -> None:
        AgentRole.objects.filter(agent=self.agent(), organisation=self.dice.choice(self.world.places)).delete()

    def join(self) -> None:
        AgentFactory(basic_in=[self.dice.choice(self.world.places)], services=self.world.services[:1])

    def leave(self) -> None:
        agent = self.agent()
        if agent.pk not in self.world.watchers:
            agent.leave()


class Copy:
    """What somebody keeps who reads changes: it begins anew when it is told to."""

    def __init__(self, watcher: int) -> None:
        self.watcher, self.begun = watcher, 0
        self.begin()

    def begin(self) -> None:
        self.kept: dict[int, Any] = {}
        self.token: str | None = None
        self.begun += 1

    def read(self, size: int) -> bool:
        """One page; gives whether there is more."""
        caller = Agent.objects.get(pk=self.watcher)
        try:
            page = since(self.token, caller, {}, size, BASE)
        except FullSyncRequired:
            self.begin()
            return True
        for change in page.changes:
            absence = change["absence"]
            if change["type"] == "deleted":
                self.kept.pop(absence["id"], None)
            else:
                self.kept[absence["id"]] = absence
        self.token = page.token
        return page.has_more

    def drain(self, done: Callable[[], bool] = lambda: True) -> None:
        """All that there is; again until it is `done`, as a write in another database of the cluster holds up what came
        after it, in this one too.
        """
        ends = time.monotonic() + 60
        while True:
            while self.read(100):
                pass
            if done() or time.monotonic() > ends:
                return
            time.sleep(0.02)


class Reader:
    """Keeps several copies, each read at its own pace, some far behind."""

    def __init__(self, world: World, seed: str) -> None:
        self.dice = random.Random(seed)
        self.copies = [Copy(watcher) for watcher in world.watchers for _ in range(2)]

    def act(self) -> None:
        copy = self.dice.choice(self.copies)
        copy.read(self.dice.choice((1, 2, 7, 30, 100)))
        if self.dice.random() < 0.02:
            copy.begin()


@pytest.fixture
def at_once() -> Callable[[list[tuple[Callable[[], None], int]]], None]:
    """Runs each deed so many times, all beside each other; -1: for as long as the others last."""

    def threads(deeds: list[tuple[Callable[[], None], int]]) -> None:
        failures: list[BaseException] = []
        over = threading.Event()

        def run(deed: Callable[[], None], times: int) -> None:
            try:
                while times and not failures and not (times < 0 and over.is_set()):
                    deed()
                    times -= times > 0
            except BaseException as error:
                failures.append(error)
                raise
            finally:
                connection.close()

        started = [(threading.Thread(target=run, args=one), one[1]) for one in deeds]
        for thread, _times in started:
            thread.start()
        for thread, times in started:
            if times >= 0:
                thread.join(PATIENCE)
        over.set()
        for thread, _times in started:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

    def by_turns(deeds: list[tuple[Callable[[], None], int]]) -> None:
        dice = random.Random(0)
        left = dict(enumerate(times for _deed, times in deeds))
        while any(times > 0 for times in left.values()):
            at = dice.choice([at for at, times in left.items() if times])
            deeds[at][0]()
            left[at] -= left[at] > 0

    return threads if ON_POSTGRESQL else by_turns


@pytest.mark.parametrize("seed", [0])
def test_a_replay_from_any_token_ends_as_a_full_read(seed: int, at_once: Any, at_length: Any, figure: Any) -> None:
    world = World()
    times = at_length(320, 10_500) // WRITERS
    writers = [Writer(world, f"{seed} {number}") for number in range(WRITERS)]
    readers = [Reader(world, f"{seed} reader {number}") for number in range(READERS)]
    at_once([*((writer.act, times) for writer in writers), *((reader.act, -1) for reader in readers)])
    copies = [copy for reader in readers for copy in reader.copies]
    for copy in copies:
        whole = world.everything(copy.watcher)
        copy.drain(lambda copy=copy, whole=whole: copy.kept == whole)
        assert copy.kept == world.everything(copy.watcher)
    done = sum((writer.done for writer in writers), Counter[str]())
    assert sum(done.values()) > times * WRITERS * 0.8
    assert {what for what, (weight, _deed) in writers[0].deeds.items() if weight >= 4} <= done.keys()
    assert any(world.everything(watcher) for watcher in world.watchers)
    figure("operations", sum(done.values()))
    figure("copies", len(copies))
    figure("full reads begun", sum(copy.begun for copy in copies))


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has one writer")
def test_what_is_committed_late_is_told_though_a_later_one_was_read() -> None:
    world = World()
    # Of one agent the second would wait for the first, who counts their absences.
    one, other = Agent.objects.filter(roles__organisation=world.places[0]).exclude(pk__in=world.watchers)[:2]
    written, read = threading.Event(), threading.Event()

    def linger() -> None:
        try:
            with transaction.atomic():
                AbsenceFactory(agent=one, title="Tardive")
                written.set()
                assert read.wait(30)
        finally:
            connection.close()

    copy = Copy(world.watchers[0])
    copy.drain()
    thread = threading.Thread(target=linger)
    thread.start()
    assert written.wait(30)
    AbsenceFactory(agent=other, title="Prompte")
    copy.drain()
    assert copy.kept == {}  # what came after the one that lingers waits for it
    read.set()
    thread.join()
    copy.drain(lambda: len(copy.kept) == 2)
    assert [absence["title"] for absence in copy.kept.values()] == ["Tardive", "Prompte"]
    assert copy.kept == world.everything(copy.watcher)
    assert copy.begun == 1
