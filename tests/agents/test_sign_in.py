"""Contract 2.3: `POST /api/v1/auth/sign_in`, an email and a password against a triple."""

from __future__ import annotations

import re

import pytest

from agents.models import Agent, ClientToken
from tests.conftest import WireClient
from tests.factories import PASSWORD, AgentFactory

SIGN_IN = "/api/v1/auth/sign_in"
BAD_CREDENTIALS = {"success": False, "errors": ["Mot de passe ou identifiant invalide."]}
NOT_CONFIRMED = (
    "Un e-mail de confirmation de votre compte a été envoyé à 'invite@exemple.test'. "
    "Merci de suivre les instructions afin de valider votre compte"
)
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")
CREDENTIAL_HEADERS = ("access-token", "token-type", "client", "expiry", "uid")


def test_answers_with_the_eleven_keys_in_their_order(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.content.decode() == (
        f'{{"data":{{"id":{cast.martine.pk},"deleted_at":null,"email":"martine@demo.rdv-solidarites.fr",'
        f'"provider":"email","service_id":{cast.pmi.pk},"role":"admin","last_name":"VALIDAY","first_name":"Martine",'
        f'"uid":"martine@demo.rdv-solidarites.fr","email_original":null,"allow_password_change":false}}}}'
    )


def test_answers_with_the_five_headers(now, cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    assert SECRET.fullmatch(answer["access-token"])
    assert SECRET.fullmatch(answer["client"])
    assert answer["token-type"] == "Bearer"
    assert answer["uid"] == "martine@demo.rdv-solidarites.fr"
    assert answer["expiry"] == "1794906000"  # 17 November 2026, 9:00 UTC: 24 hours later


def test_the_triple_that_it_gives_is_accepted(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    triple = {name: answer[name] for name in ("access-token", "client", "uid")}
    assert anonymous.get("/api/v1/agents", headers=triple).status_code == 200


def test_no_secret_is_kept_in_clear(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    kept = ClientToken.objects.values().get()
    assert answer["access-token"] not in map(str, kept.values())


def test_two_sign_ins_never_give_the_same_triple(cast, anonymous):
    answers = [anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD}) for _ in range(2)]
    assert len({answer["access-token"] for answer in answers}) == 2
    assert len({answer["client"] for answer in answers}) == 2


def test_the_email_is_read_without_case_and_without_spaces_around(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": "  MARTINE@Demo.RDV-Solidarites.fr ", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer["uid"] == "martine@demo.rdv-solidarites.fr"


def test_the_password_is_read_as_it_is(cast, anonymous):
    assert anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": f"{PASSWORD} "}).status_code == 401


def test_a_number_is_read_as_text(anonymous, db):
    agent = AgentFactory(password="plain$123456")
    assert anonymous.post(SIGN_IN, {"email": agent.email, "password": 123456}).status_code == 200


def test_parameters_by_form(cast, anonymous):
    form = f"email=martine%40demo.rdv-solidarites.fr&password={PASSWORD.replace(' ', '+')}"
    answer = anonymous.post(SIGN_IN, form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def test_parameters_by_query(cast, anonymous):
    answer = anonymous.post(f"{SIGN_IN}?email={cast.martine.email}&password={PASSWORD.replace(' ', '%20')}")
    assert answer.status_code == 200


def test_remember_me_is_accepted_and_changes_nothing(now, cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD, "remember_me": True})
    assert answer["expiry"] == "1794906000"


def test_role_is_user_for_an_agent_who_is_admin_nowhere(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": cast.bruno.email, "password": PASSWORD})
    assert answer.json()["data"]["role"] == "user"


def test_service_id_is_the_lowest_of_the_services(cast, anonymous):
    agent = AgentFactory(services=[cast.secretariat, cast.social])
    answer = anonymous.post(SIGN_IN, {"email": agent.email, "password": PASSWORD})
    assert answer.json()["data"]["service_id"] == cast.social.pk


def test_service_id_is_null_without_service(anonymous, db):
    agent = AgentFactory()
    answer = anonymous.post(SIGN_IN, {"email": agent.email, "password": PASSWORD})
    assert answer.json()["data"]["service_id"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {"email": "martine@demo.rdv-solidarites.fr", "password": "faux"},
        {"email": "personne@exemple.test", "password": PASSWORD},
        {"email": "martine@demo.rdv-solidarites.fr"},
        {"email": "martine@demo.rdv-solidarites.fr", "password": ""},
        {"email": "martine@demo.rdv-solidarites.fr", "password": None},
        {"email": "martine@demo.rdv-solidarites.fr", "password": [PASSWORD]},
        {"email": ["martine@demo.rdv-solidarites.fr"], "password": PASSWORD},
        {"email": {"a": 1}, "password": True},
        {"password": PASSWORD},
        {"email": f"{'a' * 300}@exemple.test", "password": PASSWORD},
        {},
    ],
)
def test_anything_but_the_right_pair_is_refused_in_the_same_words(cast, anonymous, sent):
    answer = anonymous.post(SIGN_IN, sent)
    assert answer.status_code == 401
    assert answer.json() == BAD_CREDENTIALS
    assert answer["WWW-Authenticate"] == 'Bearer realm="rdv"'
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_nothing_is_read_from_headers_named_email_and_password(cast, anonymous):
    answer = anonymous.post(SIGN_IN, {}, headers={"email": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 401


def test_json_sent_under_the_type_of_a_form_is_refused_with_a_hint(cast, anonymous):
    body = f'{{"email":"{cast.martine.email}","password":"{PASSWORD}"}}'
    answer = anonymous.post(SIGN_IN, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 401
    assert answer.json() == BAD_CREDENTIALS | {"hint": "Content-Type: application/json"}


def test_an_account_not_confirmed_is_told_so_after_the_right_password(anonymous, db):
    agent = AgentFactory(email="invite@exemple.test", is_active=False)
    answer = anonymous.post(SIGN_IN, {"email": agent.email, "password": PASSWORD})
    assert answer.status_code == 401
    assert answer.json() == {
        "success": False,
        "errors": [NOT_CONFIRMED],
    }
    assert not ClientToken.objects.exists()


def test_an_account_not_confirmed_tells_nothing_after_a_wrong_password(anonymous, db):
    agent = AgentFactory(is_active=False)
    answer = anonymous.post(SIGN_IN, {"email": agent.email, "password": "faux"})
    assert answer.json() == BAD_CREDENTIALS


def test_an_agent_who_left_is_unknown(cast, anonymous):
    email = cast.bruno.email
    cast.bruno.leave()
    assert anonymous.post(SIGN_IN, {"email": email, "password": PASSWORD}).json() == BAD_CREDENTIALS
    assert anonymous.post(SIGN_IN, {"email": cast.bruno.email, "password": PASSWORD}).json() == BAD_CREDENTIALS


def test_an_intervenant_without_email_cannot_sign_in(cast, anonymous):
    AgentFactory(email=None, intervenant_in=[cast.mds])
    assert anonymous.post(SIGN_IN, {"email": "", "password": PASSWORD}).json() == BAD_CREDENTIALS


def test_an_account_of_another_provider_cannot_sign_in_with_a_password(anonymous, db):
    agent = AgentFactory(provider="inclusion_connect")
    assert anonymous.post(SIGN_IN, {"email": agent.email, "password": PASSWORD}).json() == BAD_CREDENTIALS


def test_the_shared_secret_is_ignored(cast, anonymous):
    answer = anonymous.post(
        SIGN_IN,
        {"email": cast.martine.email, "password": PASSWORD},
        headers={"X-Agent-Auth-Signature": "faux", "uid": cast.bruno.email},
    )
    assert answer.status_code == 200
    assert answer["uid"] == cast.martine.email


def test_a_stale_triple_does_not_stand_in_the_way(cast):
    stale = WireClient()
    stale.triple = {"access-token": "a" * 22, "client": "b" * 22, "uid": cast.martine.email}
    assert stale.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD}).status_code == 200


def test_notes_when_the_agent_last_came(now, cast, anonymous):
    anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    assert Agent.objects.get(pk=cast.martine.pk).last_login.isoformat() == "2026-11-16T09:00:00+00:00"


def test_get_is_refused_with_the_verb_to_use(anonymous):
    answer = anonymous.get(SIGN_IN)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST, OPTIONS"
    assert answer.json() == {
        "success": False,
        "errors": ["Utilisez POST /sign_in pour la connexion. GET n'est pas supporté."],
    }
