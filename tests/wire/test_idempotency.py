"""Safe retries (row P9): of requests with one `Idempotency-Key` one is done, and all are answered as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from absences.models import Absence
from agents.models import AccessKey, AccountRole, Agent, AgentRole, ApiAccount, ClientToken, Grant, RecordEntry
from rdv.api import idempotency, models
from rdv.api.idempotency import BadKey, Retry, digest, key_of
from rdv.api.models import KeptAnswer
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, AgentFactory

ABSENCES = "/api/v1/absences"
NEW = {"title": "Formation", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
ENVELOPE = "application/json; profile=envelope"
FRESH = {"X-Runtime", "X-Request-Id", "Idempotency-Replayed"}
ON_POSTGRESQL = connection.vendor == "postgresql"

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Any) -> WireClient:
    return sign_in(cast.martine)


@pytest.fixture
def asked(cast: SimpleNamespace) -> dict[str, Any]:
    return NEW | {"agent_id": cast.bruno.pk}


def keyed(client: WireClient, verb: str, path: str, body: Any = None, key: str = KEY, **headers: str) -> Any:
    sent = [] if body is None else [body]
    return getattr(client, verb)(path, *sent, headers={"Idempotency-Key": key} | headers)


def is_replayed(answer: Any) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def assert_the_same(first: Any, again: Any) -> None:
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert {n: v for n, v in again.items() if n not in FRESH} == {n: v for n, v in first.items() if n not in FRESH}
    assert not is_replayed(first)
    assert is_replayed(again)


# The same answer, and one effect.


def test_a_creation_sent_twice_is_done_once(martine: WireClient, asked: Any) -> None:
    first, again = (keyed(martine, "post", ABSENCES, asked) for _ in range(2))
    assert first.status_code == 200
    assert first["Location"]
    assert first["ETag"]
    assert_the_same(first, again)
    assert Absence.objects.count() == 1


def test_without_a_key_each_is_done(martine: WireClient, asked: Any) -> None:
    for _ in range(2):
        assert not is_replayed(martine.post(ABSENCES, asked))
    assert Absence.objects.count() == 2
    assert KeptAnswer.objects.count() == 0


@pytest.mark.parametrize("verb", ["put", "patch"])
@pytest.mark.parametrize("resource", ["absences", "organisations", "tokens"])
def test_a_change_sent_twice_is_done_once(cast: SimpleNamespace, martine: WireClient, resource: str, verb: str) -> None:
    name = "title" if resource == "absences" else "name"
    row = {
        "absences": lambda: AbsenceFactory(agent=cast.bruno),
        "organisations": lambda: cast.mds,
        "tokens": lambda: AccessKey.make(cast.martine, name="Tâche de nuit")[0],
    }[resource]()
    path = f"/api/v1/{resource}/{row.pk}"
    first = keyed(martine, verb, path, {name: "A"})
    martine.patch(path, {name: "B"})
    assert_the_same(first, keyed(martine, verb, path, {name: "A"}))
    row.refresh_from_db()
    assert (getattr(row, name), row.version) == ("B", 3)


def test_a_deletion_sent_twice_is_204_twice(cast: SimpleNamespace, martine: WireClient) -> None:
    path = f"{ABSENCES}/{AbsenceFactory(agent=cast.bruno).pk}"
    first, again = (keyed(martine, "delete", path) for _ in range(2))
    assert first.status_code == 204
    assert_the_same(first, again)
    assert martine.delete(path).status_code == 404


def test_a_change_of_a_state_that_it_ended_itself_is_answered_as_it_was(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    path = f"{ABSENCES}/{AbsenceFactory(agent=cast.bruno).pk}"
    tag = martine.get(path)["ETag"]
    first, again = (keyed(martine, "patch", path, {"title": "A"}, **{"If-Match": tag}) for _ in range(2))
    assert first.status_code == 200
    assert_the_same(first, again)


@pytest.mark.parametrize(
    "headers",
    [
        {"Prefer": "return=minimal"},
        {"Accept-Language": "en"},
        {"Accept": "application/problem+json"},
        {"Accept": "application/json; profile=envelope", "X-Request-Id": "6b1f2b8e-5c6a-4b5e-9e0a-3f6b2a9d1c11"},
    ],
)
def test_in_whatever_form_it_was_asked_for(martine: WireClient, asked: Any, headers: dict[str, str]) -> None:
    first, again = (keyed(martine, "post", f"{ABSENCES}?prettify=true", asked, **headers) for _ in range(2))
    assert_the_same(first, again)
    assert Absence.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (ABSENCES, {"title": ""}, 422),
        (ABSENCES, NEW | {"agent_email": "personne@exemple.test"}, 404),
        (f"{ABSENCES}/999999", {"title": "A"}, 404),
    ],
)
def test_a_failure_is_answered_the_same_too_though_it_would_succeed_by_now(
    cast: SimpleNamespace, martine: WireClient, path: str, body: Any, status: int
) -> None:
    verb = "post" if path == ABSENCES else "patch"
    first = keyed(martine, verb, path, body)
    assert first.status_code == status
    AgentFactory(email="personne@exemple.test", services=[cast.pmi], basic_in=[cast.mds])
    AbsenceFactory(pk=999999, agent=cast.bruno)
    assert_the_same(first, keyed(martine, verb, path, body))
    assert Absence.objects.count() == 1


def test_the_record_tells_an_effect_once(martine: WireClient, asked: Any) -> None:
    for _ in range(3):
        keyed(martine, "post", ABSENCES, asked)
    assert RecordEntry.objects.filter(resource="absence", action="created").count() == 1


def test_a_replay_carries_the_credential_of_whoever_asks_now(
    cast: SimpleNamespace, martine: WireClient, sign_in: Any, asked: Any
) -> None:
    keyed(martine, "post", ABSENCES, asked)
    elsewhere = sign_in(cast.martine)
    again = keyed(elsewhere, "post", ABSENCES, asked)
    assert is_replayed(again)
    assert {name: again[name] for name in elsewhere.triple} == elsewhere.triple
    assert elsewhere.triple["client"] != martine.triple["client"]
    for kept in KeptAnswer.objects.values():
        assert not any(secret in str(kept) for secret in (*martine.triple.values(), *elsewhere.triple.values()))
        assert KEY not in str(kept)


def test_keys_follow_each_other(martine: WireClient, asked: Any) -> None:
    answers = [keyed(martine, "post", ABSENCES, asked, key=key) for key in ("a", "b", "a", "b")]
    assert [is_replayed(answer) for answer in answers] == [False, False, True, True]
    assert answers[0].content == answers[2].content != answers[1].content == answers[3].content


# Another request.


OTHERS: dict[str, Callable[[WireClient, Any], Any]] = {
    "body": lambda client, asked: keyed(client, "post", ABSENCES, asked | {"title": "Autre"}),
    "query": lambda client, asked: keyed(client, "post", f"{ABSENCES}?reason=x", asked),
    "path": lambda client, asked: keyed(client, "post", f"{ABSENCES}/", asked),
    "verb": lambda client, asked: keyed(client, "put", f"{ABSENCES}/1", asked),
    "language": lambda client, asked: keyed(client, "post", ABSENCES, asked, **{"Accept-Language": "en"}),
    "preference": lambda client, asked: keyed(client, "post", ABSENCES, asked, Prefer="return=minimal"),
    "form": lambda client, asked: keyed(client, "post", ABSENCES, asked, Accept=ENVELOPE),
    "condition": lambda client, asked: keyed(client, "post", ABSENCES, asked, **{"If-Match": "*"}),
    "type": lambda client, asked: client.post(ABSENCES, "a=1", "text/x", headers={"Idempotency-Key": KEY}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_the_key_of_another_request_is_422(martine: WireClient, asked: Any, other: str) -> None:
    first = keyed(martine, "post", ABSENCES, asked)
    answer = OTHERS[other](martine, asked)
    assert answer.status_code == 422
    assert b"idempotency_key_reused" in answer.content
    assert_the_same(first, keyed(martine, "post", ABSENCES, asked))
    assert Absence.objects.count() == 1


def test_programs_that_ask_for_the_same_in_other_words_ask_for_the_same(martine: WireClient, asked: Any) -> None:
    first = keyed(martine, "post", ABSENCES, asked, Accept="*/*")
    words = {"Accept": "application/json;q=0.9", "Accept-Language": "fr-FR,fr;q=0.9", "Prefer": "wait=10"}
    assert_the_same(first, keyed(martine, "post", ABSENCES, asked, **words))


@pytest.mark.parametrize("header", ["", " ", '""', '"', '"a', '"a\\n"', "a\tb", "a\x7fb", "a" * 256])
def test_what_can_be_no_key_is_400_and_nothing_is_done(martine: WireClient, asked: Any, header: str) -> None:
    answer = keyed(martine, "post", ABSENCES, asked, key=header)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"base": "bad_idempotency_key"}]
    assert Absence.objects.count() == 0


@pytest.mark.parametrize(
    ("header", "key"),
    [
        *((f'"{KEY}"', KEY), (f" {KEY} ", KEY), (r'"a\"b\\"', 'a"b\\'), ("a" * 255, "a" * 255), ("é, b", "é, b")),
        ('"' + "a" * 255 + '"', "a" * 255),
    ],
)
def test_a_key_is_bare_or_a_quoted_string(header: str, key: str) -> None:
    assert key_of(header) == key


def test_a_key_that_is_too_long_once_it_is_read_is_none() -> None:
    with pytest.raises(BadKey):
        key_of('"' + "a" * 256 + '"')


def test_bare_and_quoted_are_one_key(martine: WireClient, asked: Any) -> None:
    first = keyed(martine, "post", ABSENCES, asked)
    assert_the_same(first, keyed(martine, "post", ABSENCES, asked, key=f'"{KEY}"'))


# Whose key it is, and who may still read the answer.


def test_another_callers_key_is_another_key(
    cast: SimpleNamespace, martine: WireClient, sign_in: Any, asked: Any
) -> None:
    keyed(martine, "post", ABSENCES, asked)
    assert not is_replayed(keyed(sign_in(cast.sophie), "post", ABSENCES, asked))
    assert Absence.objects.count() == 2


def bearer(secret: str, **headers: str) -> WireClient:
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {secret}", **headers}
    return client


def test_an_account_and_each_agent_for_whom_it_acts_are_different_callers(
    cast: SimpleNamespace, martine: WireClient, asked: Any
) -> None:
    account = ApiAccount.objects.create(pk=cast.martine.pk, name="Logiciel")
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    for agent in (cast.martine, cast.sophie):
        Grant.objects.create(account=account, agent=agent)
    _key, secret = AccessKey.make(account, name="Clé")
    callers = [
        martine,
        bearer(secret),
        *(bearer(secret, **{"X-RDV-Act-For": agent.email}) for agent in (cast.martine, cast.sophie)),
    ]
    answers = [keyed(client, "post", ABSENCES, asked) for client in callers * 2]
    assert {answer.status_code for answer in answers} == {200}
    assert [is_replayed(answer) for answer in answers] == [False] * 4 + [True] * 4
    assert Absence.objects.count() == 4


def test_a_key_of_the_same_agent_is_the_same_caller_as_far_as_it_reaches(
    cast: SimpleNamespace, martine: WireClient, asked: Any
) -> None:
    first = keyed(martine, "post", ABSENCES, asked)
    _key, secret = AccessKey.make(cast.martine, name="Ici")
    again = keyed(bearer(secret), "post", ABSENCES, asked)
    assert (again.content, is_replayed(again)) == (first.content, True)
    _key, secret = AccessKey.make(cast.martine, name="Ailleurs", organisations=[cast.lille.pk])
    assert keyed(bearer(secret), "post", ABSENCES, asked).status_code == 403
    _key, secret = AccessKey.make(cast.martine, name="Lecture", read_only=True)
    assert keyed(bearer(secret), "post", ABSENCES, asked).status_code == 403


LOST: dict[str, tuple[Callable[[SimpleNamespace], Any], int]] = {
    "token": (lambda cast: cast.martine.tokens.revoke(), 401),
    "access": (lambda cast: Agent.objects.filter(pk=cast.martine.pk).update(is_active=False), 401),
    "own role": (lambda cast: cast.martine.roles.all().delete(), 403),
    "role of the agent in sight": (lambda cast: cast.bruno.roles.all().delete(), 403),
    "departure of the agent, with the absence": (lambda cast: cast.bruno.leave(), 403),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("verb", ["post", "patch"])
def test_who_lost_sight_of_the_row_does_not_read_it_from_the_kept_answer(
    cast: SimpleNamespace, martine: WireClient, asked: Any, lost: str, verb: str
) -> None:
    path = ABSENCES if verb == "post" else f"{ABSENCES}/{AbsenceFactory(agent=cast.bruno).pk}"
    assert keyed(martine, verb, path, asked).status_code == 200
    end, status = LOST[lost]
    end(cast)
    answer = keyed(martine, verb, path, asked)
    assert answer.status_code == status
    assert not is_replayed(answer)
    assert "Formation" not in answer.content.decode()


def test_of_a_row_that_is_gone_the_answer_is_kept_for_who_still_sees_its_agent(martine: WireClient, asked: Any) -> None:
    first = keyed(martine, "post", ABSENCES, asked)
    Absence.objects.all().delete()
    assert_the_same(first, keyed(martine, "post", ABSENCES, asked))
    assert Absence.objects.count() == 0


def test_of_another_row_that_is_gone_it_is_not(cast: SimpleNamespace, martine: WireClient) -> None:
    key, _secret = AccessKey.make(cast.martine, name="Tâche de nuit")
    path = f"/api/v1/tokens/{key.pk}"
    keyed(martine, "patch", path, {"name": "A"})
    key.delete()
    assert keyed(martine, "patch", path, {"name": "A"}).status_code == 404


def test_rows_that_the_answer_embeds_are_looked_at_again(
    cast: SimpleNamespace, martine: WireClient, asked: Any
) -> None:
    path = f"{ABSENCES}?expand=agent.services"
    first, again = (keyed(martine, "post", path, asked) for _ in range(2))
    assert_the_same(first, again)
    assert [one["short_name"] for one in again.json()["absence"]["agent"]["services"]] == ["PMI"]
    cast.bruno.services.set([cast.social])
    late = keyed(martine, "post", path, asked)
    assert [one["short_name"] for one in late.json()["absence"]["agent"]["services"]] == ["Social"]
    assert is_replayed(late)
    assert Absence.objects.count() == 1


# What is not kept.


def test_a_401_or_403_is_not_kept(cast: SimpleNamespace, sign_in: Any, asked: Any) -> None:
    etienne = sign_in(cast.etienne)
    assert keyed(etienne, "post", ABSENCES, asked).status_code == 403
    AgentRole.objects.create(agent=cast.etienne, organisation=cast.mds, access_level="admin")
    answer = keyed(etienne, "post", ABSENCES, asked)
    assert (answer.status_code, is_replayed(answer)) == (200, False)
    assert keyed(WireClient(), "post", ABSENCES, asked).status_code == 401


def test_a_500_is_not_kept_and_undoes_what_was_begun(
    martine: WireClient, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Absence.save

    def fails(self: Absence, **kwargs: Any) -> None:
        save(self, **kwargs)
        raise RuntimeError

    monkeypatch.setattr(Absence, "save", fails)
    assert keyed(martine, "post", ABSENCES, asked).status_code == 500
    monkeypatch.undo()
    assert (Absence.objects.count(), KeptAnswer.objects.count()) == (0, 0)
    assert keyed(martine, "post", ABSENCES, asked).status_code == 200


def test_an_answer_that_cannot_be_kept_undoes_what_it_tells(
    martine: WireClient, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: KeptAnswer, **kwargs: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(KeptAnswer, "save", fails)
    assert keyed(martine, "post", ABSENCES, asked).status_code == 500
    assert Absence.objects.count() == 0


def test_a_428_is_not_kept(cast: SimpleNamespace, martine: WireClient, settings: Any) -> None:
    settings.RDV_IF_MATCH = "required"
    path = f"{ABSENCES}/{AbsenceFactory(agent=cast.bruno).pk}"
    assert keyed(martine, "patch", path, {"title": "A"}).status_code == 428
    tag = martine.get(path)["ETag"]
    assert keyed(martine, "patch", path, {"title": "A"}, **{"If-Match": tag}).status_code == 200


def test_a_failure_that_repeats_a_long_body_is_told_and_not_kept(martine: WireClient, asked: Any) -> None:
    long = asked | {"first_day": "x" * 100_000}
    for _ in range(2):
        answer = keyed(martine, "post", ABSENCES, long)
        assert (answer.status_code, is_replayed(answer)) == (422, False)
    assert KeptAnswer.objects.count() == 0


def test_a_body_that_cannot_be_read_is_refused_as_ever(martine: WireClient) -> None:
    headers = {"Idempotency-Key": KEY}
    assert martine.post(ABSENCES, b"{", headers=headers).status_code == 400
    assert martine.post(ABSENCES, b"{" * 1_100_000, headers=headers).status_code == 413
    assert martine.put(f"{ABSENCES}/1", b"x", "text/plain", headers=headers).status_code == 415
    form = "title=A&agent_id=0"
    assert martine.post(ABSENCES, form, "application/x-www-form-urlencoded", headers=headers).status_code == 422


def test_where_a_secret_is_told_once_the_header_has_no_effect(cast: SimpleNamespace, martine: WireClient) -> None:
    body = {"name": "Tâche de nuit"}
    secrets = {keyed(martine, "post", "/api/v1/tokens", body).json()["token"]["secret"] for _ in range(2)}
    assert len(secrets) == 2
    assert keyed(martine, "post", "/api/v1/tokens", body, key="").status_code == 200
    assert KeptAnswer.objects.count() == 0


@pytest.mark.parametrize("key", [KEY, ""])
def test_where_one_signs_in_or_out_the_header_has_no_effect(
    cast: SimpleNamespace, anonymous: WireClient, key: str
) -> None:
    pair = {"email": cast.martine.email, "password": "Rendez-vous 2026 !"}
    for path in ("/api/v1/auth/sign_in", "/api/auth/login"):
        answers = [keyed(anonymous, "post", path, pair, key=key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
    assert ClientToken.objects.count() == 4
    assert KeptAnswer.objects.count() == 0


def test_a_reading_has_no_use_for_a_key(martine: WireClient) -> None:
    assert martine.get(ABSENCES, headers={"Idempotency-Key": ""}).status_code == 200


# How long.


def test_after_a_day_the_key_is_free_again(now: Any, martine: WireClient, asked: Any) -> None:
    keyed(martine, "post", ABSENCES, asked)
    now.tick(24 * 60 * 60 - 1)
    ClientToken.objects.update(expires_at=timezone.now() + timezone.timedelta(days=2))
    assert is_replayed(keyed(martine, "post", ABSENCES, asked))
    now.tick(1)
    other = asked | {"title": "Autre"}
    assert not is_replayed(keyed(martine, "post", ABSENCES, other))
    assert is_replayed(keyed(martine, "post", ABSENCES, other))
    assert (Absence.objects.count(), KeptAnswer.objects.count()) == (2, 1)


def kept(count: int, age: timezone.timedelta) -> None:
    KeptAnswer.insert_all(
        [
            {"key": f"{age}-{n}", "request": "", "status": 200, "at": timezone.now() - age, "row": None}
            for n in range(count)
        ]
    )


@pytest.mark.django_db
def test_the_purge_removes_what_has_ended_and_says_how_much(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BATCH", 3)
    kept(7, timezone.timedelta(hours=24))
    kept(2, timezone.timedelta(hours=23))
    call_command("purge_idempotency_keys")
    assert capsys.readouterr().out == "7 kept answers removed.\n"
    assert KeptAnswer.objects.count() == 2


def test_what_has_ended_is_removed_as_others_come(
    martine: WireClient, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PURGE_EVERY", 2)
    kept(5, timezone.timedelta(days=2))
    for n in range(2):
        keyed(martine, "post", ABSENCES, asked, key=f"{n}")
    assert KeptAnswer.objects.count() == 2


# At once.


@pytest.mark.skipif(not ON_POSTGRESQL, reason="on SQLite writes follow one another: the second waits for the first")
def test_while_the_first_is_under_way_the_second_is_409(cast: SimpleNamespace, martine: WireClient, asked: Any) -> None:
    with somebody_else_has(digest(f"agent:{cast.martine.pk}".encode(), KEY.encode())):
        answer = keyed(martine, "post", ABSENCES, asked)
    assert (answer.status_code, answer["Retry-After"]) == (409, "1")
    assert answer.json()["errors"] == [{"base": "idempotency_in_progress"}]
    assert Absence.objects.count() == 0
    assert keyed(martine, "post", ABSENCES, asked).status_code == 200


class somebody_else_has:  # noqa: N801 - reads as a sentence
    """On a connection of its own, as another server: the key of a request under way."""

    def __init__(self, key: str) -> None:
        self.number = int.from_bytes(bytes.fromhex(key[:16]), signed=True)
        self.taken, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [self.number])
                self.taken.set()
                self.over.wait(30)
        finally:
            connection.close()

    def __enter__(self) -> None:
        self.thread.start()
        assert self.taken.wait(30)

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()


def test_what_another_kept_between_the_look_and_the_turn_is_the_answer(
    martine: WireClient, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looks = Retry._kept, []

    def late(self: Retry) -> KeptAnswer | None:
        looks.append(connection.in_atomic_block)
        if len(looks) == 1:
            monkeypatch.setattr(Retry, "_kept", look)
            keyed(martine, "post", ABSENCES, asked)
            return None
        return look(self)

    monkeypatch.setattr(Retry, "_kept", late)
    assert is_replayed(keyed(martine, "post", ABSENCES, asked))
    assert Absence.objects.count() == 1


# What it costs.

HELD = 2 if ON_POSTGRESQL else 1
TOLD = 1
# Who is to be told by webhook: nobody.
HEARD = 1


def queries_of(call: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert call().status_code in (200, 204)
    return len(queries)


def test_a_key_costs_five_queries_and_its_lock_and_a_replay_four(
    martine: WireClient, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PURGE_EVERY", 10**9)  # the one in a hundred that also removes others
    alone = queries_of(lambda: martine.post(ABSENCES, asked))
    assert alone == 6 + HELD + TOLD + HEARD
    # Two looks; the work, undone alone if it must be (2); the answer; and on PostgreSQL the lock.
    with_key = queries_of(lambda: keyed(martine, "post", ABSENCES, asked))
    assert with_key == alone + 5 + (1 if ON_POSTGRESQL else 0)
    # The credential; the kept answer; the row, with the right to see it, and to know what it is.
    assert queries_of(lambda: keyed(martine, "post", ABSENCES, asked)) == 4
