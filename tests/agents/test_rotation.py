"""Contract 2.5, "Rotation": with `RDV_TOKEN_ROTATION=request` each request renews the token, batches left alone."""

from __future__ import annotations

import datetime

import pytest

from agents.models import ClientToken
from agents.views.sessions import Me
from tests.factories import PASSWORD, AbsenceFactory

from .test_sign_in import CREDENTIAL_HEADERS

AGENTS = "/api/v1/agents"


@pytest.fixture
def rotating(settings):
    settings.RDV_TOKEN_ROTATION = "request"


@pytest.fixture
def martine(now, rotating, cast, sign_in):
    return sign_in(cast.martine)


def take(client, answer):
    """What a client of the library does: keep the token of the answer, unless it is blank."""
    if answer["access-token"].strip():
        client.triple["access-token"] = answer["access-token"]


def test_is_off_by_default(cast, sign_in):
    martine = sign_in(cast.martine)
    assert martine.get(AGENTS)["access-token"] == martine.triple["access-token"]


def test_the_first_request_renews_the_token(now, martine):
    now.tick(60)
    answer = martine.get(AGENTS)
    assert answer.status_code == 200
    assert answer["access-token"] != martine.triple["access-token"]
    assert answer["client"] == martine.triple["client"]
    assert answer["uid"] == martine.triple["uid"]
    assert answer["token-type"] == "Bearer"
    assert answer["expiry"] == "1794906060"  # 24 hours after this request


def test_the_renewed_token_is_accepted(now, martine):
    take(martine, martine.get(AGENTS))
    now.tick(60)
    assert martine.get(AGENTS).status_code == 200


def test_a_sign_in_is_not_renewed_in_its_own_answer(rotating, cast, anonymous):
    answer = anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD})
    assert answer["access-token"].strip()
    assert ClientToken.objects.get().rotated_at is None


def test_within_the_window_the_token_stays_and_the_answer_says_so_with_blanks(now, martine):
    take(martine, martine.get(AGENTS))
    now.tick(4)
    answer = martine.get(AGENTS)
    assert answer.status_code == 200
    assert {name: answer[name] for name in CREDENTIAL_HEADERS} == {
        "access-token": " ",
        "token-type": "Bearer",
        "client": martine.triple["client"],
        "expiry": " ",
        "uid": martine.triple["uid"],
    }


def test_after_the_window_it_is_renewed_again(now, martine):
    take(martine, martine.get(AGENTS))
    now.tick(5)
    assert martine.get(AGENTS)["access-token"].strip()


def test_the_window_slides_with_each_request_of_the_batch(now, martine):
    take(martine, martine.get(AGENTS))
    for _ in range(3):
        now.tick(4)
        assert martine.get(AGENTS)["access-token"] == " "


def test_the_window_is_a_setting(now, martine, settings):
    settings.RDV_TOKEN_BATCH_WINDOW = datetime.timedelta(seconds=30)
    take(martine, martine.get(AGENTS))
    now.tick(29)
    assert martine.get(AGENTS)["access-token"] == " "


def test_fifty_requests_at_once_on_one_token_are_all_accepted(martine):
    answers = [martine.get(AGENTS) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert len([answer for answer in answers if answer["access-token"].strip()]) == 1


@pytest.mark.parametrize("query", ["?unbatch=1", "?unbatch="])
def test_unbatch_renews_within_the_window(now, martine, query):
    take(martine, martine.get(AGENTS))
    assert martine.get(f"{AGENTS}{query}")["access-token"].strip()


def test_unbatch_is_read_from_the_body_too(now, martine):
    take(martine, martine.get(AGENTS))
    agent = martine.get("/api/v1/me").json()["agent"]["id"]
    absence = {
        "agent_id": agent,
        "title": "Congés",
        "first_day": "2026-12-01",
        "start_time": "09:00",
        "end_time": "10:00",
    }
    assert martine.post("/api/v1/absences", absence | {"unbatch": True})["access-token"].strip()


def test_a_lost_answer_does_not_log_out(now, martine):
    martine.get(AGENTS)  # its answer never arrives
    now.tick(60)
    answer = martine.get(AGENTS)
    assert answer.status_code == 200
    take(martine, answer)
    assert martine.get(AGENTS).status_code == 200


def test_the_token_before_the_previous_one_works_for_the_length_of_the_window(now, martine):
    oldest = martine.triple["access-token"]
    for _ in range(2):
        take(martine, martine.get(AGENTS))
        now.tick(5)
    martine.get(AGENTS)
    martine.triple["access-token"] = oldest
    assert martine.get(AGENTS).status_code == 401


def test_a_request_under_way_survives_two_renewals(now, martine):
    oldest = martine.triple["access-token"]
    take(martine, martine.get(f"{AGENTS}?unbatch=1"))
    take(martine, martine.get(f"{AGENTS}?unbatch=1"))
    martine.triple["access-token"] = oldest
    now.tick(4)
    assert martine.get(AGENTS).status_code == 200
    now.tick(5)
    assert martine.get(AGENTS).status_code == 401


@pytest.mark.parametrize(
    ("verb", "path"), [("get", "/api/v1/absences/999"), ("post", "/api/v1/absences"), ("delete", "/api/v1/agents")]
)
def test_a_failed_request_does_not_renew(martine, verb, path):
    answer = getattr(martine, verb)(path)
    assert answer.status_code >= 400
    assert answer["access-token"] == martine.triple["access-token"]


def test_a_deletion_renews(now, martine, cast):
    answer = martine.delete(f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}")
    assert answer.status_code == 204
    assert answer["access-token"] != martine.triple["access-token"]


def test_a_304_carries_the_renewed_token(now, martine):
    first = martine.get(AGENTS)
    take(martine, first)
    now.tick(60)
    answer = martine.get(AGENTS, headers={"If-None-Match": first["ETag"]})
    assert answer.status_code == 304
    assert answer["access-token"] != martine.triple["access-token"]
    take(martine, answer)
    assert martine.get(AGENTS).status_code == 200


def test_a_sign_out_sends_no_credential(martine):
    answer = martine.delete("/api/v1/auth/sign_out")
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_a_token_revoked_during_the_request_sends_no_credential(martine, cast, monkeypatch):
    def revoke_then_answer(self, request):
        ClientToken.objects.revoke()
        return original(self, request)

    original = Me.get
    monkeypatch.setattr(Me, "get", revoke_then_answer)
    answer = martine.get("/api/v1/me")
    assert answer.status_code == 200
    assert not any(name in answer for name in CREDENTIAL_HEADERS)
