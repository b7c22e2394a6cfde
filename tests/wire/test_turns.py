"""One request at a time in a worker; a hash is done aside; a turn always ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rdv.api import turns as module
from rdv.api.errors import Busy
from rdv.api.line import ROOM
from rdv.api.turns import Turns, aside, without_turn


@pytest.fixture
def turns():
    return Turns()


def in_turn(turns, work):
    with turns.turn():
        return work()


def test_one_at_a_time(turns):
    inside, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        lock.acquire(timeout=0.001)  # lets the others run
        inside -= 1

    lock.acquire()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: in_turn(turns, work), range(64)))
    assert most == 1


def test_the_turn_ends_with_an_exception(turns):
    with pytest.raises(ZeroDivisionError):
        in_turn(turns, lambda: 1 / 0)
    assert in_turn(turns, lambda: "next") == "next"


def test_others_have_their_turn_while_one_is_aside(turns):
    begun, finish = threading.Event(), threading.Event()

    def slow():
        begun.set()
        return finish.wait(10)

    with ThreadPoolExecutor(1) as threads:
        hashing = threads.submit(in_turn, turns, lambda: aside(slow))
        assert begun.wait(10)
        assert in_turn(turns, lambda: "served") == "served"
        finish.set()
        assert hashing.result(10) is True


def test_what_fails_aside_fails_in_its_turn_and_the_turn_ends(turns):
    with pytest.raises(ZeroDivisionError):
        in_turn(turns, lambda: aside(lambda: 1 / 0))
    assert in_turn(turns, lambda: "next") == "next"


def test_only_so_many_wait_for_a_hash(turns, settings):
    settings.RDV_SIGN_IN_QUEUE = 1
    begun, finish = threading.Event(), threading.Event()

    def slow():
        begun.set()
        finish.wait(10)

    with ThreadPoolExecutor(1) as threads:
        hashing = threads.submit(in_turn, turns, lambda: aside(slow))
        assert begun.wait(10)
        with pytest.raises(Busy):
            in_turn(turns, lambda: aside(str))
        finish.set()
        hashing.result(10)
    assert in_turn(turns, lambda: aside(str)) == ""


def test_without_turns_a_hash_is_simply_made():
    assert aside(threading.get_ident) == threading.get_ident()


def test_who_gets_no_turn_is_told(turns):
    held, finish, told = threading.Event(), threading.Event(), []

    def hold():
        held.set()
        finish.wait(10)

    def ask():
        try:
            in_turn(turns, str)
        except Busy:
            told.append(Busy)

    with ThreadPoolExecutor(ROOM + 10) as threads:
        threads.submit(in_turn, turns, hold)
        assert held.wait(10)
        for _ in range(ROOM + 5):
            threads.submit(ask)
        while len(turns._away) < 5:
            time.sleep(0.01)
        finish.set()
    assert len(told) >= 5
    assert in_turn(turns, lambda: "next") == "next"


def test_others_have_their_turn_while_one_waits_for_another_server(turns):
    begun, finish = threading.Event(), threading.Event()

    def ask():
        with without_turn():
            begun.set()
            finish.wait(10)
        return getattr(module._here, "turns", None)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(in_turn, turns, ask)
        assert begun.wait(10)
        assert in_turn(turns, lambda: "served") == "served"
        finish.set()
        assert asking.result(10) is turns  # it has its turn again


def test_a_wait_that_fails_gives_the_turn_back(turns):
    def ask():
        with without_turn():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_turn(turns, ask)
    assert in_turn(turns, lambda: "next") == "next"


def test_only_so_many_wait_for_other_servers(turns, monkeypatch):
    monkeypatch.setattr(module, "OUTSIDE", 1)
    begun, finish = threading.Event(), threading.Event()

    def ask():
        with without_turn():
            begun.set()
            finish.wait(10)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(in_turn, turns, ask)
        assert begun.wait(10)
        with pytest.raises(Busy):
            in_turn(turns, ask)
        finish.set()
        asking.result(10)
    in_turn(turns, ask)  # there is room again


@pytest.mark.django_db
def test_within_a_transaction_one_waits_with_the_turn(turns):
    def ask():
        with without_turn():
            return turns._taken

    assert in_turn(turns, ask) is True


def test_without_turns_one_simply_waits():
    with without_turn():
        pass
