"""Bruno is out on the afternoon of 10 June 2027; more of the cast; and how the tests read a list."""

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from absences.models import Absence

from .. import kept
from ..conftest import WireClient, make_cast
from ..factories import AbsenceFactory, AgentFactory


@pytest.fixture(autouse=True)
def _at_a_standstill(now: Any) -> None:
    """Nothing here depends on the day when it runs."""


@pytest.fixture
def cast(db: None) -> SimpleNamespace:
    """With Paul, Bruno's colleague at the PMI; Inès, intervenant; and Nora, who has no role."""
    return kept.again(_make_cast)


def _make_cast() -> SimpleNamespace:
    cast = make_cast()
    cast.paul = AgentFactory(email="paul@exemple.test", services=[cast.pmi], basic_in=[cast.mds])
    cast.ines = AgentFactory(email="ines@exemple.test", services=[cast.pmi], intervenant_in=[cast.mds])
    cast.nora = AgentFactory(email="nora@exemple.test", services=[cast.pmi])
    return cast


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Callable[..., WireClient]) -> WireClient:
    """The admin of the MDS, signed in."""
    return sign_in(cast.martine)


@pytest.fixture
def afternoon(cast: SimpleNamespace) -> Absence:
    return AbsenceFactory(
        agent=cast.bruno,
        title="Congé formation",
        first_day=datetime.date(2027, 6, 10),
        start_time=datetime.time(13, 30),
        end_time=datetime.time(17, 0),
    )


@pytest.fixture
def asked(cast: SimpleNamespace) -> dict[str, Any]:
    """What a client sends to create the same afternoon."""
    return {
        "agent_id": cast.bruno.pk,
        "title": "Congé formation",
        "first_day": "2027-06-10",
        "start_time": "13:30",
        "end_time": "17:00",
    }


@pytest.fixture
def listed(martine: WireClient) -> Callable[..., list[str]]:
    """The titles that Martine's list shows, in order, for the parameters given."""

    def of(**query: Any) -> list[str]:
        answer = martine.get("/api/v1/absences", query)
        assert answer.status_code == 200, answer.content
        return [absence["title"] for absence in answer.json()["absences"]]

    return of
