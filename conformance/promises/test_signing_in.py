"""Sign-in, the triple, where it is read from, and the other addresses under `auth`."""

from __future__ import annotations

import re
import time
import uuid

import pytest

from conformance import expect
from conformance.client import TRIPLE, Caller
from conformance.material import made, valid

WAYS = pytest.mark.contract("2.1")
ADDRESSES = pytest.mark.contract("2.2")
SIGN_IN = pytest.mark.contract("2.3")
HEADERS = pytest.mark.contract("2.4")
TOKENS = pytest.mark.contract("2.5")
PLACES = pytest.mark.contract("2.6")
SHARED = pytest.mark.contract("2.7")
OTHERS = pytest.mark.contract("2.8")
ACCOUNTS = pytest.mark.contract("2.9")

ACCOUNT = [
    *("id", "deleted_at", "email", "provider", "service_id", "role", "last_name", "first_name", "uid"),
    *("email_original", "allow_password_change"),
]
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")
UNCONFIRMED = (
    "Un e-mail de confirmation de votre compte a été envoyé à '{}'. "
    "Merci de suivre les instructions afin de valider votre compte"
)
NOT_SIGNED_IN = "L'utilisateur est inconnu ou n'est pas connecté."


@pytest.fixture
def newcomer(server, cast):
    """Somebody who has just signed in, and is signed out afterwards."""
    caller = server.sign_in(cast.newcomer)
    yield caller
    caller.delete("/auth/sign_out")


@pytest.fixture
def sign_in(server, anonymous):
    """POST /auth/sign_in as nobody; who comes in is signed out afterwards."""
    came = []

    def post(**kwargs):
        answer = anonymous.post("/auth/sign_in", **kwargs)
        if answer.status_code == 200:
            came.append(Caller(server, None, {name: answer.headers.get(name, "") for name in TRIPLE}))
        return answer

    yield post
    for caller in came:
        caller.delete("/auth/sign_out")


def pair(agent, **changes):
    return {"email": agent.email, "password": agent.password} | changes


# 2.1


@WAYS
@pytest.mark.parametrize("given", ["", "0" * 64, "nonsense"])
def test_the_signature_of_a_partner_even_empty_closes_the_way_to_the_token(worker, given):
    expect.unauthenticated(worker.get("/agents", headers={"X-Agent-Auth-Signature": given}))


@WAYS
@pytest.mark.parametrize("given", ["", "0" * 64])
def test_auth_itself_does_not_look_at_that_signature(worker, given):
    answer = worker.get("/auth/validate_token", headers={"X-Agent-Auth-Signature": given})
    assert expect.body(answer, 200)["success"] is True


@WAYS
def test_a_cookie_opens_nothing(anonymous):
    expect.unauthenticated(anonymous.get("/agents", headers={"Cookie": "sessionid=abc; remember=1"}))


# 2.2


@ADDRESSES
@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("POST", "/auth/sign_in", {401}),
        ("GET", "/auth/sign_in", {405}),
        ("DELETE", "/auth/sign_out", {404}),
        ("GET", "/auth/validate_token", {401}),
        ("POST", "/auth/password", {401}),
        ("PUT", "/auth/password", {401}),
        ("PATCH", "/auth/password", {401}),
        ("GET", "/auth/password/edit", {404}),
    ],
)
def test_each_address_answers_a_stranger_by_its_own_rule(anonymous, method, path, statuses):
    answer = anonymous.ask(method, path)
    assert answer.status_code in statuses
    assert answer.json()["success"] is False


# 2.3


@SIGN_IN
def test_the_answer_has_eleven_keys_in_their_order(sign_in, cast):
    agent = cast.newcomer
    document = expect.body(sign_in(json=pair(agent)), 200)
    assert list(document) == ["data"]
    data = document["data"]
    assert [key for key in data if key in ACCOUNT] == ACCOUNT
    assert isinstance(data["id"], int)
    assert (data["email"], data["uid"], data["provider"]) == (agent.email, agent.email, "email")
    assert (data["first_name"], data["last_name"]) == (agent.first_name, agent.last_name)
    assert data["deleted_at"] is None
    assert data["email_original"] is None
    assert data["allow_password_change"] is False


@SIGN_IN
@pytest.mark.parametrize("kind", ["territorial_admin", "admin", "secretary", "basic", "mixed", "roleless"])
def test_role_and_service_follow_the_directory(cast, kind):
    caller = getattr(cast, kind)
    data = expect.body(caller.get("/auth/validate_token"), 200)["data"]
    assert data["role"] == ("admin" if caller.who.adm else "user")
    assert (data["service_id"] is None) == (not caller.who.services)


@SIGN_IN
def test_it_shows_nothing_secret(sign_in, cast):
    agent = cast.newcomer
    answer = sign_in(json=pair(agent))
    data = expect.body(answer, 200)["data"]
    for key in data:
        assert not re.search(r"password(?!_change)|token|digest|secret|encrypted|_at$", key.replace("deleted_at", ""))
    assert agent.password not in data.values()
    assert answer.headers["access-token"] not in answer.text


@SIGN_IN
@pytest.mark.parametrize("spelling", [str.upper, str.title, " {} ".format])
def test_the_email_is_read_without_case_and_without_spaces_around(sign_in, cast, spelling):
    agent = cast.newcomer
    answer = sign_in(json=pair(agent, email=spelling(agent.email)))
    assert expect.body(answer, 200)["data"]["uid"] == agent.email
    assert answer.headers["uid"] == agent.email


@SIGN_IN
@pytest.mark.parametrize("form", ["data", "params"])
def test_by_form_or_query(sign_in, cast, form):
    assert expect.body(sign_in(**{form: pair(cast.newcomer)}), 200)["data"]["uid"] == cast.newcomer.email


@SIGN_IN
def test_remember_me_is_ignored(sign_in, cast):
    assert sign_in(json=pair(cast.newcomer, remember_me=True)).status_code == 200


@SIGN_IN
def test_a_wrong_pair_is_refused_in_the_same_words_whatever_is_wrong(sign_in, cast):
    """Few tries of one email: a server may slow down whoever guesses. The right password then makes it forget."""
    agent = cast.newcomer
    nobody = f"{uuid.uuid4().hex}@conformance.invalid"
    for values in (
        {},
        {"email": nobody, "password": agent.password},
        {"email": agent.email},
        {"email": agent.email, "password": ""},
        {"email": agent.email, "password": f"{agent.password}x"},
        {"password": agent.password},
        {"email": agent.email, "password": [agent.password]},
    ):
        expect.refused(sign_in(json=values), 401, expect.BAD_CREDENTIALS)
    assert sign_in(json=pair(agent)).status_code == 200


@SIGN_IN
def test_the_pair_is_not_read_from_headers(sign_in, cast):
    """The original does; a secret has one place."""
    headers = {name: value.encode() for name, value in pair(cast.newcomer).items()}
    expect.refused(sign_in(headers=headers, json={}), 401, expect.BAD_CREDENTIALS)
    assert sign_in(json=pair(cast.newcomer)).status_code == 200


@SIGN_IN
def test_a_stale_triple_does_not_stand_in_the_way(sign_in, cast):
    stale = {"uid": cast.newcomer.email, "client": "x" * 22, "access-token": "y" * 22}
    assert sign_in(json=pair(cast.newcomer), headers=stale).status_code == 200


# 2.4


@HEADERS
def test_sign_in_gives_the_five_headers(sign_in, cast):
    answer = sign_in(json=pair(cast.newcomer))
    assert SECRET.fullmatch(answer.headers["access-token"])
    assert SECRET.fullmatch(answer.headers["client"])
    assert answer.headers["uid"] == cast.newcomer.email
    assert answer.headers["token-type"] == "Bearer"
    assert int(answer.headers["expiry"]) > time.time()


@HEADERS
def test_every_answer_to_the_triple_repeats_it(worker, asked, absence, foreign):
    """On errors too, where the original does so on some."""
    path = f"/absences/{absence['id']}"
    for answer, status in (
        (worker.get("/agents"), 200),
        (worker.get(path), 200),
        (worker.post("/absences", json={}), 422),
        (worker.get(f"/absences/{foreign['id']}"), 403),
        (worker.get("/absences/0"), 404),
        (worker.get(path, headers={"If-None-Match": "*"}), 304),
        (worker.get("/auth/validate_token"), 200),
        (worker.delete(path), 204),
    ):
        assert answer.status_code == status
        repeated = {name: answer.headers.get(name) for name in TRIPLE}
        assert repeated == worker.triple, f"on {status}"
        assert answer.headers["token-type"] == "Bearer"
        assert int(answer.headers["expiry"]) > time.time()


@HEADERS
def test_an_answer_to_nobody_gives_no_credential(anonymous, cast):
    for answer in (
        anonymous.get("/agents"),
        anonymous.get("/nulle-part"),
        anonymous.post("/auth/sign_in", json={"email": "personne@conformance.invalid", "password": "x"}),
    ):
        assert not {"access-token", "client", "uid", "expiry"} & {name.lower() for name in answer.headers}


# 2.5


@TOKENS
def test_the_triple_of_a_sign_in_is_accepted_at_once(newcomer):
    assert newcomer.get("/agents").status_code == 200


@TOKENS
def test_a_second_sign_in_leaves_the_first_its_token(server, newcomer):
    """The original keeps one client of an agent."""
    second = server.sign_in(newcomer.who)
    assert second.triple["client"] != newcomer.triple["client"]
    assert second.triple["access-token"] != newcomer.triple["access-token"]
    assert second.get("/agents").status_code == 200
    assert newcomer.get("/agents").status_code == 200
    assert second.delete("/auth/sign_out").status_code == 200


@TOKENS
@pytest.mark.parametrize("part", TRIPLE)
def test_each_part_of_the_triple_counts(server, worker, part):
    value = worker.triple[part]
    flipped = value[:-1] + ("A" if value[-1] != "A" else "B")
    for wrong in (flipped, "", value * 2, value.swapcase()):
        answer = server.anonymous.get("/agents", headers=worker.triple | {part: wrong})
        expect.unauthenticated(answer)
    expect.unauthenticated(worker.get("/agents", headers={part: None}))
    assert worker.get("/agents").status_code == 200


@TOKENS
def test_a_token_is_its_agents_and_its_clients_alone(worker, newcomer):
    for name in ("uid", "client", "access-token"):
        mixed = worker.triple | {name: newcomer.triple[name]}
        if mixed != worker.triple:
            expect.unauthenticated(worker.get("/agents", headers=mixed))


# 2.6


@PLACES
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic", "Token"])
def test_the_triple_may_come_in_one_piece_whatever_the_scheme_is_called(server, worker, scheme):
    answer = server.anonymous.get("/agents", headers=worker.bearer(scheme))
    assert answer.status_code == 200


@PLACES
def test_the_triple_in_one_piece_may_write(server, worker, asked, absence):
    answer = server.anonymous.patch(f"/absences/{absence['id']}", json={}, headers=worker.bearer())
    assert answer.status_code == 200


@PLACES
def test_a_header_comes_before_that_piece(server, worker):
    headers = worker.bearer()
    expect.unauthenticated(server.anonymous.get("/agents", headers=headers | {"uid": ""}))
    expect.unauthenticated(server.anonymous.get("/agents", headers=headers | {"access-token": "x" * 22}))
    assert server.anonymous.get("/agents", headers=headers | {"uid": worker.triple["uid"]}).status_code == 200


@PLACES
def test_a_part_may_be_there_and_the_rest_here(server, worker):
    headers = worker.bearer() | {"access-token": worker.triple["access-token"]}
    assert server.anonymous.get("/agents", headers=headers).status_code == 200


@PLACES
@pytest.mark.parametrize("value", ["Bearer", "Bearer x", "Bearer e30=", "Bearer W10=", "Bearer !!!", ""])
def test_what_cannot_be_decoded_is_nobody(anonymous, value):
    expect.unauthenticated(anonymous.get("/agents", headers={"Authorization": value}))


@PLACES
def test_a_missing_client_is_not_any(server, worker):
    triple = {name: worker.triple[name] for name in ("uid", "access-token")}
    expect.unauthenticated(server.anonymous.get("/agents", headers=triple))


@PLACES
def test_the_triple_is_read_neither_from_the_address_nor_from_the_body(server, newcomer):
    """The original does; addresses are kept in logs and histories."""
    expect.unauthenticated(server.anonymous.get("/agents", params=newcomer.triple))
    expect.unauthenticated(server.anonymous.post("/absences", json=newcomer.triple))
    expect.unauthenticated(server.anonymous.post("/absences", data=newcomer.triple))


# 2.7


@SHARED
@pytest.mark.parametrize("given", ["", "0" * 64, "F" * 64, "nonsense"])
def test_a_wrong_signature_is_refused_as_anybody(anonymous, worker, given):
    for uid in (worker.who.email, "personne@conformance.invalid"):
        answer = anonymous.get("/agents", headers={"uid": uid, "X-Agent-Auth-Signature": given})
        expect.unauthenticated(answer)
        assert "access-token" not in answer.headers
    expect.unauthenticated(anonymous.get("/agents", headers={"X-Agent-Auth-Signature": given}))


# 2.8


@OTHERS
def test_validate_token_says_whose_it_is_as_sign_in_did(server, sign_in, cast):
    answer = sign_in(json=pair(cast.newcomer))
    triple = {name: answer.headers[name] for name in TRIPLE}
    again = server.anonymous.get("/auth/validate_token", headers=triple)
    document = expect.body(again, 200)
    assert list(document) == ["success", "data"]
    assert document == {"success": True, "data": answer.json()["data"]}
    assert document["data"]["uid"] == triple["uid"]
    assert {name: again.headers[name] for name in (*TRIPLE, "token-type", "expiry")} == {
        name: answer.headers[name] for name in (*TRIPLE, "token-type", "expiry")
    }


@OTHERS
def test_validate_token_refuses_a_stranger(anonymous, worker):
    expect.refused(anonymous.get("/auth/validate_token"), 401, expect.BAD_CREDENTIALS)
    wrong = worker.triple | {"access-token": "x" * 22}
    expect.refused(anonymous.get("/auth/validate_token", headers=wrong), 401, expect.BAD_CREDENTIALS)


@OTHERS
def test_sign_out_ends_the_token_and_gives_none(server, cast):
    caller = server.sign_in(cast.newcomer)
    answer = caller.delete("/auth/sign_out")
    assert expect.body(answer, 200) == {"success": True}
    assert not {"access-token", "client", "uid", "expiry"} & {name.lower() for name in answer.headers}
    expect.unauthenticated(caller.get("/agents"))
    expect.refused(caller.get("/auth/validate_token"), 401, expect.BAD_CREDENTIALS)
    expect.refused(caller.delete("/auth/sign_out"), 404, NOT_SIGNED_IN)


@OTHERS
def test_sign_out_of_nobody_is_404(anonymous):
    expect.refused(anonymous.delete("/auth/sign_out"), 404, NOT_SIGNED_IN)


@OTHERS
def test_a_password_mail_needs_to_know_where_to_lead_and_to_whom(anonymous, server):
    expect.refused(anonymous.post("/auth/password", json={}), 401, "URL de redirection manquante.")
    values = {"redirect_url": server.address}
    expect.refused(anonymous.post("/auth/password", json=values), 401, "Vous devez soumettre un e-mail.")


@OTHERS
def test_a_password_mail_is_answered_alike_for_an_email_that_nobody_has(anonymous, server):
    """The original tells which emails exist."""
    email = f"{uuid.uuid4().hex}@conformance.invalid"
    answer = anonymous.post("/auth/password", json={"email": email, "redirect_url": server.address})
    sentence = f"Un e-mail a été envoyé à '{email}' avec les instructions de réinitialisation du mot de passe."
    expect.only(expect.body(answer, 200), {"success": True, "message": sentence})


@OTHERS
def test_the_link_of_a_mail_leads_to_no_foreign_site(anonymous):
    """The original leads anywhere, with a token."""
    values = {"email": f"{uuid.uuid4().hex}@conformance.invalid", "redirect_url": "https://conformance.invalid/"}
    assert expect.body(anonymous.post("/auth/password", json=values), 422)["success"] is False


@OTHERS
@pytest.mark.parametrize("token", [None, "", "x", "1-x"])
def test_a_link_that_is_none_is_404(anonymous, server, token):
    params = {"redirect_url": server.address} | ({} if token is None else {"reset_password_token": token})
    assert anonymous.get("/auth/password/edit", params=params).status_code == 404


@OTHERS
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_nobody_changes_the_password_of_nobody(anonymous, verb):
    values = {"password": "Un-Mot-De-Passe-7!", "password_confirmation": "Un-Mot-De-Passe-7!"}
    expect.refused(anonymous.ask(verb, "/auth/password", json=values), 401, "Unauthorized")


@OTHERS
@pytest.mark.parametrize("values", [{}, {"password": "x"}, {"password_confirmation": "x"}])
def test_a_password_is_given_twice(newcomer, values):
    sentence = "Vous devez remplir les champs 'Mot de passe' et 'Confirmation de mot de passe'."
    expect.refused(newcomer.put("/auth/password", json=values), 422, sentence)


MISMATCH = "Le nouveau mot de passe et la confirmation ne concordent pas"
SHORT = "Pour assurer la sécurité de votre compte, votre mot de passe doit faire au moins 12 caractères"
LONG = "est trop long (pas plus de 128 caractères)"
DIGIT = "Votre mot de passe doit comporter au moins un chiffre."
CAPITAL = "Votre mot de passe doit comporter au moins une majuscule."
SPECIAL = "Votre mot de passe doit comporter au moins un caractère spécial, par exemple un signe de ponctuation."
COMMON = (
    "Ce mot de passe fait partie d'une liste de mots de passe fréquemment utilisés et ne permet donc pas "
    "d'assurer la sécurité de votre compte. Veuillez en choisir un autre."
)


@OTHERS
@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("Court-7!", SHORT),
        ("Aa7!" * 33, LONG),
        ("Sans-Aucun-Chiffre", DIGIT),
        ("sans-majuscule-7", CAPITAL),
        ("SansCaractereSpecial7", SPECIAL),
        ("Motdepasse2026!", COMMON),
        ("Un-Bon-Choix-4712", None),
    ],
)
def test_each_rule_of_a_password_has_its_sentence(newcomer, password, sentence):
    """With another confirmation, so that no password is ever changed here."""
    answer = newcomer.put("/auth/password", json={"password": password, "password_confirmation": "autre"})
    document = expect.body(answer, 422)
    assert document["success"] is False
    errors = {"password": [sentence]} if sentence else {}
    errors["password_confirmation"] = [MISMATCH]
    assert document["errors"] == errors | {"full_messages": [one for many in errors.values() for one in many]}


def is_strong(password):
    return (
        12 <= len(password) <= 128
        and any(character.isdigit() for character in password)
        and any(character.isupper() for character in password)
        and re.search(r"\W", password) is not None
    )


@OTHERS
def test_a_changed_password_keeps_the_token_that_changed_it(server, cast):
    """The same password is set again, so that nothing changes: of somebody whose password the rules would accept."""
    agent = cast.newcomer
    if not is_strong(agent.password):
        pytest.skip(f"the password of {agent.email} in the directory file is one that nobody may choose")
    caller = server.sign_in(agent)
    values = {"password": agent.password, "password_confirmation": agent.password}
    document = expect.body(caller.put("/auth/password", json=values), 200)
    assert document["success"] is True
    assert document["message"] == "Votre mot de passe a été correctement mis à jour."
    data = document["data"]
    assert [key for key in data if key in ACCOUNT] == ACCOUNT
    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", data[name])
    assert caller.get("/agents").status_code == 200
    again = server.sign_in(agent)
    for one in (again, caller):
        assert one.delete("/auth/sign_out").status_code == 200


# 2.9


@ACCOUNTS
def test_who_is_put_aside_cannot_sign_in_and_is_told_so_after_the_right_password_alone(sign_in, directory):
    """The original says it to anybody, and so which accounts exist."""
    agent = next((one for one in directory.agents if not one.active and one.password), None)
    if agent is None:
        pytest.skip("the directory file has no inactive agent with a password")
    expect.refused(sign_in(json=pair(agent)), 401, UNCONFIRMED.format(agent.email))
    expect.refused(sign_in(json=pair(agent, password="x")), 401, expect.BAD_CREDENTIALS)


@ACCOUNTS
def test_who_is_put_aside_is_seen_and_may_be_absent(server, directory):
    able = [one for one in directory.agents if one.can_sign_in]
    for agent in directory.agents:
        seer = next((one for one in able if not agent.active and directory.sees(one, agent)), None)
        if seer is not None:
            row = made(server.caller(seer), valid(server.id_of(agent)))
            assert row["agent"]["email"] == agent.email
            return
    pytest.skip("the directory file has no inactive agent whom somebody with a password sees")


@ACCOUNTS
def test_who_has_no_password_cannot_sign_in_with_one(sign_in, directory):
    agent = next((one for one in directory.agents if not one.password), None)
    if agent is None:
        pytest.skip("every agent of the directory file has a password")
    expect.refused(sign_in(json={"email": agent.email, "password": "x"}), 401, expect.BAD_CREDENTIALS)


@ACCOUNTS
def test_the_uid_is_exact(server, worker):
    for spelling in (worker.who.email.upper(), f"{worker.who.email}x"):
        expect.unauthenticated(server.anonymous.get("/agents", headers=worker.triple | {"uid": spelling}))
