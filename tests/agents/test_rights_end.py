"""A right that ends between the moment when a caller is known and the commit of what they write: it does not count.

What others do at that moment is done here by hand, in between; `tests/torture/test_races.py` lets chance do it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from absences.models import Absence
from agents import authentication
from agents.models import Agent, AgentRole, ClientToken
from agents.views import sign_in as password_sign_in
from rdv.api.views import ResourceViewSet
from tests.conftest import WireClient
from tests.factories import AbsenceFactory

TITLE = {"title": "Trop tard"}


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """What is given happens once, when the caller of a write is known and its transaction has not begun."""

    def happens(what: Callable[[], Any]) -> None:
        write, left = ResourceViewSet._write, [what]

        def then(work: Callable[[], Any]) -> Any:
            while left:
                left.pop()()
            return write(work)

        monkeypatch.setattr(ResourceViewSet, "_write", staticmethod(then))

    return happens


def written(client: WireClient, verb: str, absence: Absence) -> Any:
    """What `client` is answered: for a change, for a deletion, for another absence of the same agent."""
    if verb == "post":
        times = {"first_day": "2027-06-10", "start_time": "09:00", "end_time": "10:00"}
        return client.post("/api/v1/absences", times | TITLE | {"agent_id": absence.agent_id})
    return getattr(client, verb)(f"/api/v1/absences/{absence.pk}", *([TITLE] if verb == "patch" else []))


ENDS = {
    "role": (lambda agent: agent.roles.all().delete(), 403, None),
    "services": (lambda agent: agent.services.clear(), 403, None),
    "access": (lambda agent: Agent.objects.filter(pk=agent.pk).update(is_active=False), 401, "agent_disabled"),
    "tokens": (lambda agent: agent.tokens.revoke(), 401, "revoked"),
    "token": (lambda agent: agent.tokens.all().delete(), 401, "unknown"),
    "secret": (lambda agent: agent.tokens.update(digest="0" * 64), 401, "unknown"),
    "departure": (lambda agent: agent.leave(), 401, "unknown"),
}


@pytest.mark.parametrize("right", ENDS)
@pytest.mark.parametrize("verb", ["post", "patch", "delete"])
def test_a_right_that_ended_before_the_commit_does_not_count(
    cast: SimpleNamespace, sign_in: Any, meanwhile: Any, verb: str, right: str
) -> None:
    end, status, reason = ENDS[right]
    absence = AbsenceFactory(agent=cast.chloe, title="Original")
    cast.bruno.services.add(cast.social)  # Chloé's, and nothing else of his
    bruno = sign_in(cast.bruno)
    meanwhile(lambda: end(Agent.objects.get(pk=cast.bruno.pk)))
    answer = written(bruno, verb, absence)
    assert answer.status_code == status
    assert [*Absence.objects.values_list("title", "version")] == [("Original", 1)]
    if reason:
        assert reason in answer["WWW-Authenticate"]
        assert "access-token" not in answer


def test_a_right_that_changed_and_suffices_is_enough(cast: SimpleNamespace, sign_in: Any, meanwhile: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno)
    meanwhile(lambda: AgentRole.objects.filter(agent=cast.martine).update(access_level="basic"))
    answer = sign_in(cast.martine).patch(f"/api/v1/absences/{absence.pk}", TITLE)  # of the same service
    assert (answer.status_code, answer.json()["absence"]["version"]) == (200, 2)


def test_an_admin_no_more_changes_no_organisation(cast: SimpleNamespace, sign_in: Any, meanwhile: Any) -> None:
    meanwhile(lambda: AgentRole.objects.filter(agent=cast.martine).update(access_level="basic"))
    answer = sign_in(cast.martine).patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "Autre"})
    assert answer.status_code == 403
    cast.mds.refresh_from_db()
    assert cast.mds.name == "MDS Les Tilleuls"


@pytest.mark.parametrize("verb", ["post", "patch", "delete"])
def test_the_absent_who_went_out_of_sight_is_left_alone(
    cast: SimpleNamespace, sign_in: Any, meanwhile: Any, verb: str
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="Original")
    meanwhile(lambda: cast.bruno.roles.all().delete())
    answer = written(sign_in(cast.martine), verb, absence)
    assert answer.status_code == 403
    assert [*Absence.objects.values_list("title", "version")] == [("Original", 1)]


def test_a_shared_secret_vouches_for_nobody_who_was_put_aside(
    cast: SimpleNamespace, settings: Any, anonymous: Any, meanwhile: Any
) -> None:
    settings.RDV_SHARED_SECRET = "cle-de-test"
    absence = AbsenceFactory(agent=cast.bruno, title="Original")
    headers = {
        "X-Agent-Auth-Signature": authentication.signature(cast.martine, "cle-de-test"),
        "uid": cast.martine.email,
    }
    path = f"/api/v1/absences/{absence.pk}"
    assert anonymous.patch(path, {"title": "À temps"}, headers=headers).status_code == 200
    meanwhile(lambda: Agent.objects.filter(pk=cast.martine.pk).update(is_active=False))
    answer = anonymous.patch(path, TITLE, headers=headers)
    assert answer.status_code == 401
    assert "agent_disabled" in answer["WWW-Authenticate"]
    absence.refresh_from_db()
    assert absence.title == "À temps"


@pytest.fixture
def before_the_token(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """What is given happens once, when a password was found good and the token is not yet issued."""

    def happens(what: Callable[[], Any]) -> None:
        authenticate, left = password_sign_in.authenticate, [what]

        def then(*args: Any, **kwargs: Any) -> Any:
            agent = authenticate(*args, **kwargs)
            while left:
                left.pop()()
            return agent

        monkeypatch.setattr(password_sign_in, "authenticate", then)

    return happens


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"password": "plain$Un autre jour 2027 !"}, 401),
        ({"is_active": False}, 401),
        ({"deleted_at": timezone.now(), "email": "parti@exemple.test", "password": "!"}, 401),
        # Another hash of the same password, as another sign-in leaves it that renewed an older one.
        ({"password": "pbkdf2"}, 200),
    ],
)
def test_a_sign_in_rests_on_the_password_that_is_stored_when_its_token_is_issued(
    cast: SimpleNamespace, anonymous: Any, before_the_token: Any, settings: Any, change: dict[str, Any], status: int
) -> None:
    cast.bruno.set_password("123456")
    cast.bruno.save()
    if change.get("password") == "pbkdf2":
        settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
        change = {"password": make_password("123456", hasher="pbkdf2_sha256")}
    before_the_token(lambda: Agent.objects.filter(pk=cast.bruno.pk).update(**change))
    answer = anonymous.post("/api/v1/auth/sign_in", {"email": "bruno@exemple.test", "password": "123456"})
    assert answer.status_code == status
    assert ClientToken.objects.filter(agent=cast.bruno).live().count() == (status == 200)


def test_the_renewal_of_an_older_hash_never_brings_a_former_password_back(cast: SimpleNamespace, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    older = make_password("123456", hasher="pbkdf2_sha256")
    Agent.objects.filter(pk=cast.bruno.pk).update(password=older)
    bruno = Agent.objects.get(pk=cast.bruno.pk)
    # Changed while the older one is being checked.
    Agent.objects.filter(pk=cast.bruno.pk).update(password="plain$nouveau")
    assert bruno.check_password("123456")
    cast.bruno.refresh_from_db()
    assert cast.bruno.password == "plain$nouveau"
