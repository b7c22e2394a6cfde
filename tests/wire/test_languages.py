"""Languages (design decision 7): French as in the contract, English with `Accept-Language`; codes the same in both."""

from __future__ import annotations

import json

import pytest
from django.utils.translation import override

from agents import mails
from rdv import messages
from rdv.api.middleware import _preferred
from tests.factories import PASSWORD, AgentFactory

NOT_CONFIRMED = (
    "A confirmation email was sent to your account at 'invite@exemple.test'. You must follow the instructions in the "
    "email before your account can be activated"
)
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (None, "Vous devez vous connecter ou vous inscrire pour continuer."),
        ("fr", "Vous devez vous connecter ou vous inscrire pour continuer."),
        ("de", "Vous devez vous connecter ou vous inscrire pour continuer."),
        ("de,en;q=0.5", "You need to sign in or sign up before continuing."),
        ("en", "You need to sign in or sign up before continuing."),
        ("en-GB,en;q=0.9,fr;q=0.8", "You need to sign in or sign up before continuing."),
        ("fr;q=0.1,en;q=0.9", "You need to sign in or sign up before continuing."),
        ("*", "Vous devez vous connecter ou vous inscrire pour continuer."),
        ("nonsense;q=x", "Vous devez vous connecter ou vous inscrire pour continuer."),
        ("en," * 5000, "You need to sign in or sign up before continuing."),
    ],
)
def test_the_language_is_the_best_of_those_asked_for(anonymous, db, language, sentence):
    headers = {} if language is None else {"Accept-Language": language}
    answer = anonymous.get("/api/v1/agents", headers=headers)
    assert answer.json() == {"errors": [sentence]}
    assert answer["Content-Language"] == ("en" if sentence.startswith("You") else "fr")
    assert "Accept-Language" in answer["Vary"]


def test_one_request_does_not_change_the_language_of_the_next(anonymous, db):
    anonymous.get("/api/v1/agents", headers=ENGLISH)
    for path, host in (("/api/v1/agents", "testserver"), ("/api/v1/agents", "ailleurs.test"), ("/x", "testserver")):
        assert anonymous.get(path, headers={"Host": host})["Content-Language"] == "fr"


@pytest.mark.parametrize(
    ("status", "verb", "path", "body", "expected"),
    [
        (400, "POST", "/api/v1/absences", "{", "The body of the request is not valid JSON."),
        (400, "POST", "/api/v1/absences", "[]", "The body of the request must be a JSON object."),
        (405, "PUT", "/api/v1/absences", "", "The method PUT is not accepted at this address."),
        (413, "POST", "/api/v1/absences", " " * (2**20 + 1), "The body of the request is longer than 1048576 bytes."),
        (
            403,
            "GET",
            "/api/v1/organisations/{lille}",
            "",
            "You do not have sufficient rights to access this organisation",
        ),
    ],
)
def test_the_sentences_of_the_wire_in_english(cast, martine, status, verb, path, body, expected):
    path = path.format(lille=cast.lille.pk)
    answer = martine.generic(verb, path, body, content_type="application/json", headers=ENGLISH)
    assert answer.status_code == status
    assert answer.json()["error_messages"] == [expected]


def test_an_invalid_record_has_the_same_codes_and_english_sentences(cast, martine):
    sent = {"agent_id": cast.bruno.pk, "first_day": "2021-02-30", "start_time": "08h", "end_time": "24:00"}
    french = martine.post("/api/v1/absences", sent).json()
    english = martine.post("/api/v1/absences", sent, headers=ENGLISH).json()
    assert english["errors"] == french["errors"]
    assert english["error_messages"] == [
        "first_day is not a valid date (expected format: YYYY-MM-DD, for example 2021-10-21)",
        "start_time is not a valid time (expected format: H:m[:s], for example 10:30)",
        "end_time is not a valid time (24:00 does not exist: give 00:00 of the next day)",
        "title can't be blank",
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, "Wrong email or password."),
        (
            {"email": "invite@exemple.test", "password": PASSWORD},
            NOT_CONFIRMED,
        ),
    ],
)
def test_sign_in_in_english(anonymous, db, sent, expected):
    AgentFactory(email="invite@exemple.test", is_active=False)
    answer = anonymous.post("/api/v1/auth/sign_in", sent, headers=ENGLISH)
    assert answer.json() == {"success": False, "errors": [expected]}


def test_what_the_contract_has_in_english_stays_so_in_french(anonymous, martine):
    assert anonymous.put("/api/v1/auth/password", {}).json()["errors"] == ["Unauthorized"]
    answer = martine.get("/api/v1/organisations/999999")
    assert answer.json()["errors"] == ["Couldn't find Organisation with 'id'=999999"]


def test_a_refused_host_is_told_so_in_english(anonymous, db):
    answer = anonymous.get("/api/v1/agents", headers=ENGLISH | {"Host": "ailleurs.test"})
    assert answer.json()["error_messages"] == ["The request is malformed."]


def test_the_mail_speaks_the_language_of_the_request(cast, anonymous, mailoutbox):
    asked = {"email": cast.martine.email, "redirect_url": "http://testserver/"}
    for language, subject in (("en", "Reset your password"), ("fr", "Réinitialisation de votre mot de passe")):
        anonymous.post("/api/v1/auth/password", asked, headers={"Accept-Language": language})
        assert mailoutbox[-1].subject == subject
    assert "Hello Martine VALIDAY," in mailoutbox[0].body
    assert "within 6 hours" in mailoutbox[0].body


def test_the_mail_keeps_that_language_in_the_background(cast, anonymous, mailoutbox, monkeypatch):
    waiting = []
    monkeypatch.setattr(mails._postman, "submit", lambda work, *args: waiting.append((work, args)))
    asked = {"email": cast.martine.email, "redirect_url": "http://testserver/"}
    anonymous.post("/api/v1/auth/password", asked, headers=ENGLISH)
    ((work, args),) = waiting
    with override("fr"):
        work(*args)
    assert mailoutbox[0].subject == "Reset your password"


def test_the_data_are_never_translated(cast, martine):
    french, english = (martine.get("/api/v1/agents", headers=headers) for headers in ({}, ENGLISH))
    assert json.loads(french.content) == json.loads(english.content)


def test_every_sentence_of_the_code_has_an_english_one_and_none_is_stale():
    code = {(message.context, message.id) for message in messages.spoken() if message.id}
    english = {(message.context, message.id): message for message in messages.written() if message.id}
    assert english.keys() == code, "make messages, then translate what is new"
    for message in english.values():
        assert all(messages.strings_of(message)), message.id
        assert not message.fuzzy, message.id


def test_every_translation_keeps_the_places_for_values():
    for message in messages.written():
        assert not list(message.check()), message.id


def test_what_is_compiled_is_what_is_written():
    assert messages.ENGLISH.with_suffix(".mo").read_bytes() == messages.compiled(messages.written())


def test_of_long_headers_that_begin_alike_one_is_remembered(martine):
    _preferred.cache_clear()
    for end in "abc":
        martine.get("/api/v1/absences", headers={"Accept-Language": "en," * 5000 + end})
    assert _preferred.cache_info().currsize == 1
