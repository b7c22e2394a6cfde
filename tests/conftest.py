"""The cast, and how the tests speak to the server.

Martine is admin of the MDS; Bruno is a basic agent of the PMI there, Chloé of the Social service; Sophie is the
secretariat; Thierry is territorial admin of Paris; Étienne works in another organisation of another territory.
"""

from __future__ import annotations

import datetime
import gc
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import freezegun
import pytest
from django.contrib.auth.hashers import BasePasswordHasher
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.utils import translation
from freezegun import freeze_time

from agents import mails
from agents.authentication import TripleCredential
from agents.models import Agent, ClientToken
from agents.models.signing import keyring
from agents.record.kept import TABLE
from agents.record.refusals import bound
from rdv.api import committed

from . import described, kept
from .factories import AgentFactory, OrganisationFactory, ServiceFactory, TerritoryFactory

# What has no clock need not be looked through for one, at each test that stops it.
freezegun.configure(
    extend_ignore_list=[
        *("anyio", "babel", "faker", "hypothesis", "icalendar", "jinja2", "jsonschema", "jsonschema_rs", "mypy"),
        *("phonenumbers", "playwright", "psycopg", "pygments", "redis", "requests", "rich", "sqlparse", "yaml"),
    ]
)

# At each test that stops the clock it asks whether a module has other names than before: how many there are tells, and
# costs a tenth of listing them.
freezegun.api._get_module_attributes_hash = lambda module: f"{id(module)} {len(vars(module))}"

NOW = "2026-11-16 09:00:00"  # a Monday, 10:00 in Paris


class PlainHasher(BasePasswordHasher):
    """Keeps passwords as they are: hashing is Django's, and slow by intent."""

    algorithm = "plain"

    def salt(self) -> str:
        return ""

    def encode(self, password: str, salt: str) -> str:
        return f"plain${password}"

    def decode(self, encoded: str) -> dict[str, str]:
        return {"algorithm": self.algorithm, "hash": encoded, "salt": ""}

    def verify(self, password: str, encoded: str) -> bool:
        return encoded == f"plain${password}"

    def must_update(self, encoded: str) -> bool:
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        pass


class WireClient(Client):
    """Django's test client, with JSON bodies by default and the credential of one agent, if any. Each answer of the API
    is held to its description.
    """

    described = True

    def __init__(self, credential: TripleCredential | None = None, **kwargs: Any) -> None:
        super().__init__(raise_request_exception=False, **kwargs)
        self.triple = {}
        if credential:
            self.triple = {key: credential.triple()[key] for key in ("access-token", "client", "uid")}

    def generic(
        self, method: str, path: str, data: Any = "", content_type: str = "application/json", **extra: Any
    ) -> Any:
        headers = {**self.triple, **(extra.pop("headers", None) or {})}
        answer = super().generic(method, path, data, content_type, headers=headers, **extra)
        if self.described:
            described.check(method, answer)
        return answer

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:
        return super().post(path, {} if data is None else data, content_type, **extra)

    def put(self, path: str, data: Any = "", content_type: str = "application/json", **extra: Any) -> Any:
        return super().put(path, data, content_type, **extra)

    def patch(self, path: str, data: Any = "", content_type: str = "application/json", **extra: Any) -> Any:
        return super().patch(path, data, content_type, **extra)


def pytest_collection_finish() -> None:
    """What there is by now lasts: whoever looks for rubbish need not look through it, nor every moment."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What says that it asks no database cannot (pytest-django forbids it), and does not mean to."""
    for item in items:
        asks = item.get_closest_marker("django_db") or {"db", "transactional_db"} & set(
            getattr(item, "fixturenames", ())
        )
        if asks and item.get_closest_marker("no_database"):
            raise pytest.UsageError(f"{item.nodeid} is marked no_database, and asks for one.")


@pytest.fixture(autouse=True)
def _quick_and_alone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain passwords, mails sent at once, an empty cache, no way out to the network, and no language of before."""
    translation.deactivate()
    settings.PASSWORD_HASHERS = ["tests.conftest.PlainHasher"]
    monkeypatch.setattr(mails._postman, "submit", lambda work, *args: work(*args))

    def only_loopback(self: socket.socket, address: Any) -> Any:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in ("localhost", "::1") and not host.startswith("127."):
            raise AssertionError(f"A test tried to reach {host}.")
        return connect(self, address)

    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    # Each client of a test has a server of its own, which need not look through all static files at its start.
    settings.WHITENOISE_AUTOREFRESH = True
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    keyring.forget()
    bound.forget()


@pytest.fixture(autouse=True)
def _what_a_test_writes_counts_as_committed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are one transaction that is undone, and on PostgreSQL nobody reads changes of one that is under way,
    nor of what came after it. Those with transactions of their own do without.
    """
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        return
    sql = committed.HORIZON["postgresql"]
    for end in ("pg_snapshot_xmin(snapshot)", "pg_snapshot_xmax(snapshot)"):
        sql = sql.replace(f"{end}::text::bigint", str(2**61))
    monkeypatch.setitem(committed.HORIZON, "postgresql", sql)
    others = "(SELECT min(one::text::bigint) FROM pg_snapshot_xip(snapshot) AS one)"
    assert others in committed.UNDER_WAY
    monkeypatch.setattr(committed, "UNDER_WAY", committed.UNDER_WAY.replace(others, "NULL::bigint"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """PostgreSQL drops no database that somebody is connected to. Requests hand connections on (rdv/api/turns.py): this
    thread may have another by now than the one that is closed before the drop, and others may lie about.

    Rows are numbered from a thousand: whoever spells a number (`AgentFactory(id=42)`) meets no row of a factory.
    """
    with django_db_blocker.unblock():
        _number_from(1000)
    yield
    if connection.vendor != "postgresql":
        return
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {others} AND usename = current_user")
        for _ in range(300):
            cursor.execute(f"SELECT 1 {others}")
            if not cursor.fetchall():
                break
            time.sleep(0.1)
    connections.close_all()


def _number_from(first: int) -> None:
    sequences = connection.introspection.sequence_list()
    with connection.cursor() as cursor:
        for table, column in [(sequence["table"], sequence["column"]) for sequence in sequences]:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, column, first])
            else:
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, first])


@pytest.fixture(autouse=True, scope="session")
def _the_record_is_flushed() -> Iterator[None]:
    """A test with transactions of its own ends by emptying every table. The record refuses that (its triggers), which
    `migrate`, told of the empty database, then puts back.
    """
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def without_triggers(self: Any, sql_list: list[str]) -> None:
        with self.connection.cursor() as cursor:
            for name in ("updated", "deleted", "truncated"):
                where = f" ON {TABLE}" if self.connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS agents_record_{name}{where}")
        flush(self, sql_list)

    operations.execute_sql_flush = without_triggers
    yield
    operations.execute_sql_flush = flush


@pytest.fixture(scope="module")
def _clocks_can_stop() -> Iterator[None]:
    """The first clock that stops looks for all others there are: once for a module. Meanwhile they go on."""
    with freeze_time(datetime.datetime.now(datetime.UTC), tick=True):
        yield


@pytest.fixture
def now(_clocks_can_stop: None) -> Iterator[Any]:
    """A morning that stands still: `now.tick(seconds)` and `now.move_to(...)` move it."""
    with freeze_time(NOW) as clock:
        yield clock


@pytest.fixture
def sign_in(db: None) -> Callable[[Agent], WireClient]:
    """A client that carries a fresh token of the agent given, without the trip through `sign_in`."""

    def of(agent: Agent) -> WireClient:
        token, secret = ClientToken.objects.issue(Agent.objects.get(pk=agent.pk))
        return WireClient(TripleCredential(token, secret, fresh=True))

    return of


@pytest.fixture
def anonymous() -> WireClient:
    return WireClient()


@pytest.fixture
def cast(db: None) -> SimpleNamespace:
    """See the top of this file. They are the same rows each time."""
    return kept.again(make_cast)


def make_cast() -> SimpleNamespace:
    paris = TerritoryFactory(name="Paris", departement_number="75")
    nord = TerritoryFactory(name="Nord", departement_number="59")
    mds = OrganisationFactory(name="MDS Les Tilleuls", territory=paris)
    lille = OrganisationFactory(name="MDS Lille", territory=nord)
    pmi = ServiceFactory(name="PMI (Protection Maternelle Infantile)", short_name="PMI")
    social = ServiceFactory(name="Service social", short_name="Social")
    secretariat = ServiceFactory(name="Secrétariat", short_name="Secrétariat", secretariat=True)
    return SimpleNamespace(
        paris=paris,
        nord=nord,
        mds=mds,
        lille=lille,
        pmi=pmi,
        social=social,
        secretariat=secretariat,
        martine=AgentFactory(
            email="martine@demo.rdv-solidarites.fr",
            first_name="Martine",
            last_name="VALIDAY",
            services=[pmi],
            admin_of=[mds],
        ),
        bruno=AgentFactory(email="bruno@exemple.test", services=[pmi], basic_in=[mds]),
        chloe=AgentFactory(email="chloe@exemple.test", services=[social], basic_in=[mds]),
        sophie=AgentFactory(email="sophie@exemple.test", services=[secretariat], basic_in=[mds]),
        thierry=AgentFactory(email="thierry@exemple.test", services=[social], territorial_admin_of=[paris]),
        etienne=AgentFactory(email="etienne@exemple.test", services=[pmi], basic_in=[lille]),
    )
