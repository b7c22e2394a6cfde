"""RDV_QUOTA: so many requests in a window for each holder, told on each of their answers (row P11)."""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from django.conf import settings as live_settings
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as RedisIsAway
from rest_framework.views import APIView

from agents.models import AccessKey, ApiAccount, Grant, QuotaUse
from agents.quotas import PAUSE, Counter, Quota, QuotaThrottle, counter
from rdv.settings import Limit
from tests.factories import PASSWORD, AbsenceFactory
from tests.server import Server, prepared_database

ABSENCES = "/api/v1/absences"
TOLD = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
MINUTE = datetime.timedelta(minutes=1)
STORES = {
    "cache": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "database": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "rdv_cache"},
}


@pytest.fixture(params=STORES)
def quota(request, settings, monkeypatch, now):
    """`quota(5, **{"account:3": 10})`: the server has quotas, counted in either place."""
    settings.CACHES = {"default": STORES[request.param]}
    settings.MIDDLEWARE = ["agents.quotas.QuotaMiddleware", *settings.MIDDLEWARE]
    monkeypatch.setattr(APIView, "throttle_classes", [QuotaThrottle])
    counter.forget()

    def of(count, exceptions=None):
        settings.RDV_QUOTA = count and Limit(count, MINUTE)
        settings.RDV_QUOTA_EXCEPTIONS = {
            name: count and Limit(count, MINUTE) for name, count in (exceptions or {}).items()
        }

    yield of
    counter.forget()


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


def told(answer):
    return tuple(int(answer[name]) for name in TOLD)


def test_off_tells_and_asks_nothing(martine):
    assert live_settings.RDV_QUOTA is None
    assert "agents.quotas.QuotaMiddleware" not in live_settings.MIDDLEWARE
    assert APIView.throttle_classes == []
    assert not [name for name in martine.get(ABSENCES).headers if name.startswith("RateLimit")]


def test_each_answer_tells_what_is_left(quota, martine):
    quota(5)
    answers = [martine.get(ABSENCES) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [told(answer)[:2] for answer in answers] == [(5, 4), (5, 3), (5, 2), (5, 1), (5, 0)]
    assert {1 <= told(answer)[2] <= 60 for answer in answers} == {True}


def test_errors_and_changes_count_too(quota, martine):
    quota(5)
    martine.get(f"{ABSENCES}/0")
    martine.post(ABSENCES, {})
    assert told(martine.get("/api/v1/me"))[1] == 2


def test_beyond_it_429_until_the_window_ends(quota, martine, now):
    quota(2)
    martine.get(ABSENCES)
    reset = told(martine.get(ABSENCES))[2]
    refused = martine.get(ABSENCES)
    assert refused.status_code == 429
    assert refused.json() == {"errors": ["Limite d'appels API atteinte. Merci de patienter.\n"]}
    assert told(refused) == (2, 0, reset)
    assert refused["Retry-After"] == str(reset)
    now.tick(reset - 1)
    assert martine.get(ABSENCES).status_code == 429
    now.tick(1)
    assert told(martine.get(ABSENCES))[:2] == (2, 1)


def test_what_is_refused_has_done_nothing(quota, cast, martine):
    quota(1)
    absence = AbsenceFactory(agent=cast.bruno)
    martine.get(ABSENCES)
    assert martine.delete(f"{ABSENCES}/{absence.pk}").status_code == 429
    absence.refresh_from_db()


def test_a_refusal_costs_the_counter_nothing(quota, martine):
    quota(1)
    martine.get(ABSENCES)
    martine.get(ABSENCES)
    with CaptureQueriesContext(connection) as asked:
        assert martine.get(ABSENCES).status_code == 429
    assert len(asked) == 1  # whose credential it is


def test_a_304_is_free(quota, cast, martine):
    quota(3)
    AbsenceFactory(agent=cast.bruno)
    etag = martine.get(ABSENCES)["ETag"]
    for _ in range(10):
        again = martine.get(ABSENCES, headers={"If-None-Match": etag})
        assert (again.status_code, told(again)[1]) == (304, 2)
    assert told(martine.get(ABSENCES))[1] == 1


def test_each_has_their_own(quota, cast, martine, sign_in):
    quota(2)
    martine.get(ABSENCES)
    martine.get(ABSENCES)
    assert martine.get(ABSENCES).status_code == 429
    assert told(sign_in(cast.bruno).get(ABSENCES))[1] == 1
    assert sign_in(cast.martine).get(ABSENCES).status_code == 429, "another token of the same agent"


def key_of(owner):
    return {"Authorization": f"Bearer {AccessKey.make(owner, name='clef')[1]}"}


def test_an_account_has_its_own_also_when_it_acts_for_an_agent(quota, cast, anonymous, martine):
    quota(3)
    account = ApiAccount.objects.create(name="Agenda")
    Grant.objects.create(account=account, agent=cast.martine)
    key = key_of(account)
    assert told(anonymous.get("/api/v1/me", headers=key))[1] == 2
    assert told(anonymous.get("/api/v1/me", headers=key | {"X-RDV-Act-For": str(cast.martine.pk)}))[1] == 1
    assert told(martine.get(ABSENCES))[1] == 2


def test_a_partner_may_have_another_quota_or_none(quota, cast, anonymous, martine, sign_in):
    account = ApiAccount.objects.create(name="Agenda")
    quota(1, {f"account:{account.pk}": 50, cast.bruno.email: None, f"agent:{cast.chloe.pk}": 7})
    assert told(anonymous.get("/api/v1/me", headers=key_of(account)))[:2] == (50, 49)
    assert told(sign_in(cast.chloe).get(ABSENCES))[:2] == (7, 6)
    bruno = sign_in(cast.bruno)
    for _ in range(3):
        answer = bruno.get(ABSENCES)
        assert (answer.status_code, "RateLimit-Limit" in answer) == (200, False)


def test_a_quota_may_be_for_some_alone(quota, cast, martine, sign_in):
    quota(None, {cast.bruno.email: 1})
    assert "RateLimit-Limit" not in martine.get(ABSENCES)
    assert told(sign_in(cast.bruno).get(ABSENCES))[:2] == (1, 0)


def test_strangers_have_none(quota, cast, anonymous):
    quota(1)
    for _ in range(3):
        assert anonymous.get(ABSENCES).status_code == 401
        signed_in = anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD})
        assert signed_in.status_code == 200
        assert "RateLimit-Limit" not in signed_in


def test_whoever_leaves_is_let_go(quota, martine):
    quota(1)
    martine.get(ABSENCES)
    assert martine.get(ABSENCES).status_code == 429
    assert martine.delete("/api/v1/auth/sign_out").status_code == 200


def test_a_cache_that_does_not_answer_stops_nobody(quota, settings, martine, monkeypatch):
    quota(1)
    settings.CACHES = {"default": STORES["cache"]}
    asked = []

    def away(*args, **kwargs):
        asked.append(args)
        raise RedisIsAway("away")

    monkeypatch.setattr(type(cache._connections["default"]), "incr", away)
    for _ in range(5):
        answer = martine.get(ABSENCES)
        assert (answer.status_code, "RateLimit-Limit" in answer) == (200, False)
    assert len(asked) == 1, f"one that hangs is waited for once in {PAUSE} s"


# The counter itself: several processes, which know of each other only by the database.


@pytest.fixture
def in_database(db, settings):
    settings.CACHES = {"default": STORES["database"]}


def test_processes_together_never_grant_more_and_hardly_less(in_database):
    processes = [Counter(lambda: 1_000_000.0) for _ in range(4)]
    quota = Quota(1000, 60)
    granted = sum(processes[n % 4].take("agent:1", quota).allowed for n in range(2000))
    assert granted == 1000  # they share alike; else at most a hundredth less for each other process:
    uneven = sum(processes[n % 7 == 0].take("agent:2", quota).allowed for n in range(2000))
    assert 1000 - 3 * 10 <= uneven <= 1000


def test_a_part_is_asked_for_at_a_time(in_database):
    one, quota = Counter(lambda: 1_000_000.0), Quota(600, 60)
    with CaptureQueriesContext(connection) as asked:
        remaining = [600 - one.take("agent:1", quota).used for _ in range(600)]
    assert len(asked) == 100
    assert remaining == list(range(599, -1, -1))


def test_a_small_quota_is_exact(in_database):
    processes, quota = [Counter(lambda: 1_000_000.0) for _ in range(3)], Quota(10, 60)
    assert [processes[n % 3].take("agent:1", quota).allowed for n in range(15)] == [True] * 10 + [False] * 5


def test_a_late_clock_does_not_begin_the_window_anew(in_database):
    for window, used in ((8, 1), (8, 2), (7, 3), (8, 4), (9, 1)):
        assert QuotaUse.take("agent:1", window, 1) == used
    assert QuotaUse.objects.count() == 1


def test_windows_do_not_end_at_once_for_everybody(in_database):
    one, quota = Counter(lambda: 1_000_000.0), Quota(1000, 3600)
    assert len({one.take(f"agent:{n}", quota).reset for n in range(50)}) > 25


def test_only_so_many_holders_are_remembered(in_database, monkeypatch):
    monkeypatch.setattr("agents.quotas.REMEMBERED", 10)
    one = Counter(lambda: 1_000_000.0)
    for number in range(50):
        one.take(f"agent:{number}", Quota(1000, 60))
    assert len(one._parts) == 10


@pytest.mark.django_db(transaction=True)
def test_threads_of_one_process_count_each_request_once(settings):
    settings.CACHES = {"default": STORES["cache"]}
    one, quota, allowed = Counter(lambda: 1_000_000.0), Quota(100, 60), []

    def ask():
        allowed.extend(one.take("agent:1", quota).allowed for _ in range(25))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 100


# A real server of two processes.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("quotas")
    with prepared_database(folder) as database:
        kept = {name: os.environ.pop(name) for name in ("CACHE_URL",) if name in os.environ}
        running = Server(folder, database, RDV_QUOTA="50/1h", RDV_QUOTA_EXCEPTIONS="bruno@demo.rdv-solidarites.fr=off")
        os.environ.update(kept)
        try:
            running.start(workers=2)
            yield running
        finally:
            running.stop()


@pytest.mark.live
def test_what_comes_at_once_to_two_processes_is_counted_together(server):
    code = (
        "from agents.models import Agent; from agents.models import AccessKey; "
        "a = Agent.objects.create(email='m@agence.test', first_name='M', last_name='M'); "
        "print('key', AccessKey.make(a, name='k')[1])"
    )
    key = server.manage("shell", "--no-imports", "-c", code).split("key ")[1].strip()
    answers: list[int] = []

    def ask():
        asked = {"url": f"{server.address}{ABSENCES}", "headers": {"Authorization": f"Bearer {key}"}, "timeout": 30}
        answers.extend(requests.get(**asked).status_code for _ in range(15))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    until = time.monotonic() + 60
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, until - time.monotonic()))
    assert (answers.count(200), answers.count(429)) == (50, 70)
