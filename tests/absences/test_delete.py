"""`DELETE /absences/:id`: 204 and nothing more (contract 1.1, 4.2)."""

import pytest

from absences.models import Absence

from ..factories import AbsenceFactory
from .ladder import FORBIDDEN, NOBODY, UNKNOWN_CALLER, climbed


def test_anonymous_is_asked_to_sign_in(anonymous, afternoon):
    answer = anonymous.delete(f"/api/v1/absences/{afternoon.pk}")
    assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)
    assert Absence.objects.exists()


@climbed
def test_one_deletes_the_absences_of_the_agents_one_sees(who, reaches, cast, sign_in, afternoon):
    answer = sign_in(getattr(cast, who)).delete(f"/api/v1/absences/{afternoon.pk}")
    if reaches:
        assert (answer.status_code, Absence.objects.exists()) == (204, False)
    else:
        assert (answer.status_code, answer.json(), Absence.objects.exists()) == (403, FORBIDDEN, True)


@pytest.mark.parametrize("pk", NOBODY)
def test_what_does_not_exist_is_not_found(martine, afternoon, pk):
    answer = martine.delete(f"/api/v1/absences/{pk}")
    assert (answer.status_code, answer.json()) == (404, {"not_found": "absence"})


def test_the_answer_has_no_body_and_no_type(martine, afternoon):
    answer = martine.delete(f"/api/v1/absences/{afternoon.pk}")
    assert (answer.status_code, answer.content, answer.has_header("Content-Type")) == (204, b"", False)


def test_once_deleted_it_is_gone_for_every_verb(martine, afternoon):
    address = f"/api/v1/absences/{afternoon.pk}"
    martine.delete(address)
    assert [getattr(martine, verb)(address).status_code for verb in ("get", "put", "patch", "delete")] == [404] * 4
    assert martine.get("/api/v1/absences").json()["meta"]["total_count"] == 0


def test_only_that_one_goes(cast, martine, afternoon, listed):
    AbsenceFactory(agent=cast.bruno, title="Autre")
    martine.delete(f"/api/v1/absences/{afternoon.pk}")
    assert listed() == ["Autre"]


def test_parameters_in_the_address_do_not_matter(martine, afternoon):
    # The client C deletes with query parameters.
    assert martine.delete(f"/api/v1/absences/{afternoon.pk}?organisation_id=999&agent_id=1").status_code == 204
