"""An agent's own record on their page."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import AccessKey, ApiAccount, Grant
from tests.conftest import WireClient
from tests.factories import AbsenceFactory

from .conftest import ACTIVITY, NEW_KEY, choices, secret_in, shown, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorded(now: Any, cast: SimpleNamespace) -> Callable[[], str]:
    """Martine's page, without what was told before."""
    now.move_to("2026-11-20 09:00:00")
    return lambda: shown(signed_in(cast.martine).get(ACTIVITY, {"since": "2026-11-20"}))


def test_what_an_agent_did_is_told(recorded: Callable[[], str], cast: SimpleNamespace) -> None:
    martine = signed_in(cast.martine)
    secret = secret_in(martine.post(NEW_KEY, choices(martine, name="Export")))
    page = recorded()
    assert "Création" in page
    assert "« Export" in page
    assert "navigateur" in page
    assert "127.0.0.1" in page
    assert secret not in page


def test_what_was_done_to_an_agent_tells_who_did_it(
    recorded: Callable[[], str], cast: SimpleNamespace, sign_in: Any
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="Congés")
    client = sign_in(cast.martine)
    client.patch(f"/api/v1/absences/{absence.pk}?reason=Erreur de saisie", {"title": "RTT"})
    page = shown(signed_in(cast.bruno).get(ACTIVITY))
    for told in (
        "Modification",
        "par Martine VALIDAY",
        "Motif : Erreur de saisie",
        "<del>Congés</del> → <ins>RTT</ins>",
    ):
        assert told in page


def test_what_an_account_did_for_an_agent_tells_both(recorded: Callable[[], str], cast: SimpleNamespace) -> None:
    account = ApiAccount.objects.create(name="Intranet")
    Grant.objects.create(account=account, agent=cast.martine)
    _key, secret = AccessKey.make(account, name="Synchronisation")
    headers = {"Authorization": f"Bearer {secret}", "X-RDV-Act-For": str(cast.martine.pk)}
    content = {
        "agent_id": cast.martine.pk,
        "title": "RTT",
        "first_day": "2026-12-01",
        "start_time": "9:00",
        "end_time": "10:00",
    }
    assert WireClient().post("/api/v1/absences", content, headers=headers).status_code == 200
    page = recorded()
    assert "par Intranet" in page
    assert "clé d&#x27;un compte d&#x27;API « Synchronisation" in page


def test_what_others_did_is_not_told_even_to_their_admin(
    recorded: Callable[[], str], cast: SimpleNamespace, sign_in: Any
) -> None:
    absence = AbsenceFactory(agent=cast.chloe, title="Congés de Chloé")
    sign_in(cast.chloe).patch(f"/api/v1/absences/{absence.pk}", {"title": "RTT de Chloé"})
    assert "Chloé" not in recorded()
    assert "RTT de Chloé" not in shown(signed_in(cast.bruno).get(ACTIVITY))


def test_a_period_is_of_whole_days(now: Any, cast: SimpleNamespace) -> None:
    now.move_to("2026-11-18 22:59:00")  # a minute before midnight in Paris
    AccessKey.make(cast.martine, name="Du dix-huit")
    now.tick(60)
    AccessKey.make(cast.martine, name="Du dix-neuf")
    martine = signed_in(cast.martine)
    for query, expected in (
        ({"since": "2026-11-18", "until": "2026-11-18"}, {"dix-huit"}),
        ({"since": "2026-11-19"}, {"dix-neuf"}),
        ({"until": "2026-11-18"}, {"dix-huit"}),
        ({"since": "2026-11-18", "until": "2026-11-19"}, {"dix-huit", "dix-neuf"}),
        ({"since": "2026-11-20"}, set()),
    ):
        page = shown(martine.get(ACTIVITY, query))
        assert {name for name in ("dix-huit", "dix-neuf") if name in page} == expected, query
    assert "Rien dans cette période." in page


@pytest.mark.parametrize("wrong", ["hier", "2026-02-30", "0000-00-00", "9999-12-31T99:00", "a" * 5000])
def test_a_day_that_is_none_is_said_beside_its_field(martine: Client, wrong: str) -> None:
    answer = martine.get(ACTIVITY, {"since": wrong})
    assert answer.status_code == 422
    assert 'id="id_since_error"' in shown(answer)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_days_too(martine: Client, day: str) -> None:
    for name in ("since", "until"):
        assert martine.get(ACTIVITY, {name: day}).status_code == 200


def test_pages_hold_fifty_and_keep_the_period(now: Any, cast: SimpleNamespace) -> None:
    now.move_to("2026-11-20 09:00:00")
    for number in range(51):
        AccessKey.make(cast.martine, name=f"Clé {number}")
    martine = signed_in(cast.martine)  # which is told too
    first, last = (shown(martine.get(ACTIVITY, {"since": "2026-11-20", "page": page})) for page in (1, 2))
    assert first.count("<time") == 50
    assert last.count("<time") == 2
    assert "« Clé 0 " in last
    assert 'href="?since=2026-11-20&amp;page=2"' in first.replace("&page", "&amp;page")


def test_the_page_asks_as_much_for_much_as_for_little(cast: SimpleNamespace, martine: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert martine.get(ACTIVITY).status_code == 200
        return len(queries)

    AccessKey.make(cast.martine, name="Une")
    little = asked()
    for number in range(30):
        AccessKey.make(cast.martine, name=f"Clé {number}")
    assert asked() == little
