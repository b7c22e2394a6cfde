"""The first administrator of a server: a secret that is shown once, and makes one superuser, once."""

from __future__ import annotations

import datetime
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings as configured
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, FirstSecret
from agents.models.setup import administered
from agents.pages.setup import FirstAdministrator
from rdv.settings import ROOT
from tests.factories import PASSWORD, AgentFactory

from .conftest import shown

pytestmark = pytest.mark.django_db

ADDRESS = "/premier-administrateur"
NEW = "Un bon départ 2026 !"


def printed(*options: str) -> str:
    out = io.StringIO()
    call_command("first_admin", *options, stdout=out)
    return out.getvalue()


def secret() -> str:
    found = re.search(r"secret : (\S{22})\n", printed())
    assert found
    return found[1]


def create(given: str, **changes: Any) -> Any:
    form = {"secret": given, "email": "Odile@Exemple.test", "password1": NEW, "password2": NEW}
    return Client(raise_request_exception=False).post(ADDRESS, form | changes)


def test_the_secret_makes_a_superuser_who_signs_in() -> None:
    given = secret()
    assert "Premier administrateur" in shown(Client().get(ADDRESS))
    assert create(given)["Location"] == "/admin/"
    odile = Agent.objects.get()
    assert (odile.email, odile.is_superuser, odile.is_staff) == ("odile@exemple.test", True, True)
    answer = Client().post("/admin/login/", {"username": odile.email, "password": NEW, "next": "/admin/"})
    assert answer["Location"] == "/admin/"


def test_an_email_that_somebody_takes_meanwhile_is_told_as_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    given = secret()
    made = FirstAdministrator._make

    def meanwhile(agent: Agent, secret: str) -> bool:
        monkeypatch.setattr(FirstAdministrator, "_make", staticmethod(made))
        AgentFactory(email=agent.email)
        return bool(made(agent, secret))

    monkeypatch.setattr(FirstAdministrator, "_make", staticmethod(meanwhile))
    answer = create(given)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"email"}
    assert create(given, email="autre@exemple.test").status_code == 302


def test_two_who_use_the_secret_at_once_make_one_superuser(monkeypatch: pytest.MonkeyPatch) -> None:
    given = secret()
    spent = FirstAdministrator._make

    def quicker(agent: Agent, secret: str) -> bool:
        monkeypatch.setattr(FirstAdministrator, "_make", staticmethod(spent))
        assert create(given, email="autre@exemple.test").status_code == 302
        return bool(spent(agent, secret))

    monkeypatch.setattr(FirstAdministrator, "_make", staticmethod(quicker))
    assert create(given).status_code == 403
    assert [agent.email for agent in Agent.objects.all()] == ["autre@exemple.test"]


def test_a_second_use_is_refused() -> None:
    given = secret()
    create(given)
    for answer in (create(given, email="autre@exemple.test"), Client().get(ADDRESS)):
        assert answer.status_code == 403
        assert "Ce serveur a déjà un administrateur" in shown(answer)
    assert Agent.objects.count() == 1
    assert not FirstSecret.objects.exists()


def test_nothing_is_printed_nor_written_on_a_server_that_somebody_administers() -> None:
    AgentFactory(is_staff=True, is_superuser=True)
    with CaptureQueriesContext(connection) as asked:
        assert printed() == ""
    assert [query["sql"][:6] for query in asked] == ["SELECT"] * len(asked)
    assert Client().get(ADDRESS).status_code == 403


def test_a_database_that_does_not_answer_is_said_in_a_sentence(tmp_path: Path) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'rdv.sqlite3'}"}  # of no table
    command = [sys.executable, "manage.py", "first_admin"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "is not known" in done.stderr
    assert "Traceback" not in done.stderr


def test_agents_who_administer_nothing_do_not_count() -> None:
    AgentFactory(is_staff=True)
    AgentFactory(is_staff=True, is_superuser=True, is_active=False)
    assert secret()


def test_a_secret_is_printed_once() -> None:
    given = secret()
    again = printed()
    assert given not in again
    assert "first_admin --renew" in again
    assert create(given).status_code == 302


def test_a_secret_that_was_lost_is_replaced() -> None:
    lost = secret()
    found = re.search(r"secret : (\S{22})\n", printed("--renew"))
    assert found
    assert create(lost).status_code == 422
    assert create(found[1]).status_code == 302


def test_a_secret_ends_after_a_day(now: Any) -> None:
    given = secret()
    now.tick(datetime.timedelta(hours=23, minutes=59))
    assert Client().get(ADDRESS).status_code == 200
    now.tick(datetime.timedelta(minutes=1))
    assert create(given).status_code == 403
    assert secret() != given


def test_a_digest_alone_is_kept() -> None:
    given = secret()
    row = FirstSecret.objects.values().get()
    assert given not in str(row)
    assert re.fullmatch("[0-9a-f]{64}", row["digest"])


def test_the_secret_ends_when_somebody_becomes_superuser_otherwise() -> None:
    given = secret()
    Agent.objects.create_superuser("chef@exemple.test", PASSWORD)
    assert create(given).status_code == 403
    assert Agent.objects.count() == 1


WRONG = {
    "a wrong secret": ({"secret": "A" * 22}, "secret"),
    "no secret": ({"secret": ""}, "secret"),
    "a secret with NUL": ({"secret": "A\x00"}, "secret"),
    "no email": ({"email": ""}, "email"),
    "an email that is none": ({"email": "odile"}, "email"),
    "an email that is taken": ({"email": "MARTINE@exemple.test"}, "email"),
    "a short password": ({"password1": "Court1!", "password2": "Court1!"}, "password1"),
    "a common password": ({"password1": "Motdepasse2026!", "password2": "Motdepasse2026!"}, "password1"),
    "another password": ({"password2": NEW + "x"}, "password2"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_beside_its_field_and_costs_no_secret(wrong: str) -> None:
    AgentFactory(email="martine@exemple.test")
    given = secret()
    changes, field = WRONG[wrong]
    answer = create(given, **changes)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert not administered()
    assert NEW not in shown(answer)
    assert given not in shown(answer)
    assert create(given).status_code == 302


def test_guesses_are_slowed_and_not_kept() -> None:
    given = secret()
    for number in range(configured.AXES_FAILURE_LIMIT):
        answer = create(f"devine-{number:02}" + "x" * 13)
        assert answer.status_code in (422, 429)
    answer = create(given)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    attempt = AccessAttempt.objects.get()
    assert "devine" not in attempt.post_data
    assert NEW not in attempt.post_data
    assert not administered()


def test_the_address_is_the_servers_public_one(settings: Any) -> None:
    settings.RDV_PUBLIC_URL = "https://rdv.agence.test"
    assert "https://rdv.agence.test/premier-administrateur" in printed()
