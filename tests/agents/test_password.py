"""Contract 2.8: a forgotten password (`POST auth/password`, its mail, `GET auth/password/edit`) and a new one
(`PUT`, `PATCH auth/password`).
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from agents import mails
from agents.models import Agent, ClientToken
from tests.conftest import WireClient
from tests.factories import PASSWORD, AgentFactory

from .test_sign_in import CREDENTIAL_HEADERS, SIGN_IN

RESET = "/api/v1/auth/password"
EDIT = "/api/v1/auth/password/edit"
TARGET = "https://app.agence.test/nouveau?etape=2"
NEW = "Soleil d'hiver 2027 !"


@pytest.fixture(autouse=True)
def _allowed_origin(settings):
    settings.RDV_REDIRECT_ORIGINS = ["https://app.agence.test"]


def sent(email):
    return {
        "success": True,
        "message": f"Un e-mail a été envoyé à '{email}' avec les instructions de réinitialisation du mot de passe.",
    }


@pytest.fixture
def link(cast, anonymous, mailoutbox):
    """What the mail's link asks for: its query, after Martine asked for it."""
    anonymous.post(RESET, {"email": cast.martine.email, "redirect_url": TARGET})
    (address,) = [line for line in mailoutbox[-1].body.splitlines() if line.startswith("http")]
    assert address.startswith("http://testserver/api/v1/auth/password/edit?")
    return dict(parse_qsl(urlsplit(address).query))


# Asking for the mail.


def test_a_request_sends_a_mail_with_a_link(cast, anonymous, mailoutbox):
    answer = anonymous.post(RESET, {"email": " MARTINE@demo.rdv-solidarites.fr", "redirect_url": TARGET})
    assert answer.status_code == 200
    assert answer.json() == sent("martine@demo.rdv-solidarites.fr")
    (mail,) = mailoutbox
    assert mail.to == ["martine@demo.rdv-solidarites.fr"]
    assert mail.subject == "Réinitialisation de votre mot de passe"
    assert "Bonjour Martine VALIDAY," in mail.body
    assert "dans les 6 heures" in mail.body
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


@pytest.mark.parametrize(
    "fields", [{"email": "personne@exemple.test"}, {"is_active": False}, {"provider": "inclusion_connect"}]
)
def test_the_answer_tells_nothing_of_who_exists(db, anonymous, mailoutbox, fields):
    agent = AgentFactory(**{"email": "connue@exemple.test"} | fields)
    email = "connue@exemple.test"
    answer = anonymous.post(RESET, {"email": email, "redirect_url": TARGET})
    assert answer.status_code == 200
    assert answer.json() == sent(email)
    assert mailoutbox == [], agent


def test_a_mail_server_that_fails_is_not_noticed_by_the_caller(cast, anonymous, monkeypatch, caplog):
    def fail(self):
        raise OSError("no route to the mail server")

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)
    answer = anonymous.post(RESET, {"email": cast.martine.email, "redirect_url": TARGET})
    assert answer.status_code == 200
    assert "A mail could not be sent" in caplog.text


def test_the_mail_is_written_and_sent_in_the_background(cast, anonymous, mailoutbox, monkeypatch):
    monkeypatch.setattr(mails._postman, "submit", lambda work, *args: None)
    anonymous.post(RESET, {"email": cast.martine.email, "redirect_url": TARGET})
    assert mailoutbox == []


@pytest.mark.parametrize("email", ["connue@exemple.test", "personne@exemple.test"])
def test_a_request_costs_as_much_for_an_unknown_email(anonymous, db, email, django_assert_num_queries):
    AgentFactory(email="connue@exemple.test")
    with django_assert_num_queries(1):  # the agent by email
        anonymous.post(RESET, {"email": email, "redirect_url": TARGET})


@pytest.mark.parametrize("asked", [{}, {"email": "martine@demo.rdv-solidarites.fr"}, {"redirect_url": ""}])
def test_without_redirect_url_it_is_refused_first(cast, anonymous, asked):
    answer = anonymous.post(RESET, asked)
    assert answer.status_code == 401
    assert answer.json() == {"success": False, "errors": ["URL de redirection manquante."]}


@pytest.mark.parametrize("email", [None, "", "  ", ["martine@demo.rdv-solidarites.fr"]])
def test_without_email_it_is_refused(cast, anonymous, email):
    answer = anonymous.post(RESET, {"email": email, "redirect_url": TARGET})
    assert answer.status_code == 401
    assert answer.json() == {"success": False, "errors": ["Vous devez soumettre un e-mail."]}


@pytest.mark.parametrize(
    "url",
    [
        "https://ailleurs.test/",
        "http://app.agence.test/",
        "https://app.agence.test:8443/",
        "https://app.agence.test@ailleurs.test/",
        "https://app.agence.test.ailleurs.test/",
        "//app.agence.test/",
        "/chemin",
        "javascript:alert(1)",
        "https://[",
        "https:app.agence.test",
    ],
)
@pytest.mark.parametrize("email", ["martine@demo.rdv-solidarites.fr", "personne@exemple.test"])
def test_a_foreign_redirect_url_is_refused_whoever_asks(cast, anonymous, mailoutbox, url, email):
    answer = anonymous.post(RESET, {"email": email, "redirect_url": url})
    assert answer.status_code == 422
    assert answer.json() == {"success": False, "errors": [f"Redirection vers '{url}' non autorisée."]}
    assert mailoutbox == []


def test_this_server_itself_is_an_allowed_target(cast, anonymous, settings, mailoutbox):
    settings.RDV_REDIRECT_ORIGINS = []
    assert (
        anonymous.post(RESET, {"email": cast.martine.email, "redirect_url": "http://testserver/x"}).status_code == 200
    )


def test_the_link_leads_to_the_public_address_of_the_server(cast, anonymous, settings, mailoutbox):
    settings.RDV_PUBLIC_URL = "https://rdv.agence.test"
    anonymous.post(RESET, {"email": cast.martine.email, "redirect_url": TARGET})
    assert "\nhttps://rdv.agence.test/api/v1/auth/password/edit?" in mailoutbox[0].body


# Following the link.


def test_the_link_sends_on_with_a_triple_that_works(now, cast, anonymous, link):
    answer = anonymous.get(EDIT, link)
    assert answer.status_code == 302
    target = urlsplit(answer["Location"])
    assert target._replace(query="").geturl() == "https://app.agence.test/nouveau"
    query = parse_qsl(target.query)
    assert [name for name, _value in query] == [
        "etape",
        "access-token",
        "client",
        "client_id",
        "config",
        "expiry",
        "reset_password",
        "token",
        "uid",
    ]
    values = dict(query)
    assert values["client_id"] == values["client"]
    assert values["token"] == values["access-token"]
    assert (values["etape"], values["config"], values["reset_password"]) == ("2", "default", "true")
    assert values["expiry"] == "1794906000"
    triple = {name: values[name] for name in ("access-token", "client", "uid")}
    assert anonymous.get("/api/v1/agents", headers=triple).status_code == 200


def test_the_redirection_has_no_body_and_no_content_type(cast, anonymous, link):
    answer = anonymous.get(EDIT, link)
    assert answer.content == b""
    assert "Content-Type" not in answer


def test_the_link_allows_a_password_change_and_says_so(cast, anonymous, link):
    anonymous.get(EDIT, link)
    answer = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    assert answer.json()["data"]["allow_password_change"] is True


@pytest.mark.parametrize(("age", "status"), [(6 * 60 * 60, 302), (6 * 60 * 60 + 1, 404)])
def test_the_link_is_good_for_six_hours(now, cast, anonymous, link, age, status):
    now.tick(age)
    assert anonymous.get(EDIT, link).status_code == status


@pytest.mark.parametrize(
    "changed",
    [
        {"reset_password_token": ""},
        {"reset_password_token": "1"},
        {"reset_password_token": "999-abc-def"},
        {"reset_password_token": "9" * 30 + "-a-b"},
        {"redirect_url": "https://ailleurs.test/"},
        {"redirect_url": ""},
    ],
)
def test_anything_but_the_link_as_it_was_sent_is_404(cast, anonymous, link, changed):
    answer = anonymous.get(EDIT, link | changed)
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "errors": ["not_found"]}
    assert not ClientToken.objects.exists()


def test_the_link_of_one_agent_does_not_open_another(cast, anonymous, link):
    _pk, _dash, rest = link["reset_password_token"].partition("-")
    link["reset_password_token"] = f"{cast.bruno.pk}-{rest}"
    assert anonymous.get(EDIT, link).status_code == 404


def test_the_link_dies_with_the_password_that_it_replaced(cast, anonymous, link, sign_in):
    sign_in(cast.martine).put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert anonymous.get(EDIT, link).status_code == 404


def test_the_link_of_an_agent_put_aside_is_404(cast, anonymous, link):
    Agent.objects.filter(pk=cast.martine.pk).update(is_active=False)
    assert anonymous.get(EDIT, link).status_code == 404


# Choosing a new one.


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_a_new_password_replaces_the_old_one(now, cast, sign_in, anonymous, verb):
    now.tick(60)
    answer = getattr(sign_in(cast.martine), verb)(RESET, {"password": NEW, "password_confirmation": NEW})
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert answer.json() == {
        "success": True,
        "data": data,
        "message": "Votre mot de passe a été correctement mis à jour.",
    }
    assert list(data)[-2:] == ["created_at", "updated_at"]
    assert len(data) == 13
    assert data["created_at"] == "2026-11-16T10:00:00.000+01:00"
    assert data["updated_at"] == "2026-11-16T10:01:00.000+01:00"
    for password, status in ((PASSWORD, 401), (NEW, 200)):
        signed_in = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": password})
        assert signed_in.status_code == status


def test_the_triple_presented_stays_good(cast, sign_in):
    martine = sign_in(cast.martine)
    answer = martine.put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert answer["access-token"] == martine.triple["access-token"]
    assert martine.get("/api/v1/agents").status_code == 200


def test_the_other_clients_of_the_agent_are_signed_out(cast, sign_in):
    martine, other, bruno = sign_in(cast.martine), sign_in(cast.martine), sign_in(cast.bruno)
    martine.put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert other.get("/api/v1/agents").status_code == 401
    assert bruno.get("/api/v1/agents").status_code == 200


def test_the_change_closes_what_the_link_opened(cast, anonymous, link, sign_in):
    anonymous.get(EDIT, link)
    answer = sign_in(cast.martine).put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert answer.json()["data"]["allow_password_change"] is False


def test_a_new_password_by_query(cast, sign_in, anonymous):
    martine = sign_in(cast.martine)
    assert martine.put(f"{RESET}?password={NEW}&password_confirmation={NEW}").status_code == 200


def test_without_a_triple_it_is_refused_in_english(anonymous, db):
    answer = anonymous.put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert answer.status_code == 401
    assert answer.json() == {"success": False, "errors": ["Unauthorized"]}
    assert answer["WWW-Authenticate"] == 'Bearer realm="rdv"'


@pytest.mark.parametrize(
    "asked", [{}, {"password": NEW}, {"password_confirmation": NEW}, {"password": "", "password_confirmation": ""}]
)
def test_both_fields_are_needed(cast, sign_in, asked):
    answer = sign_in(cast.martine).put(RESET, asked)
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": ["Vous devez remplir les champs 'Mot de passe' et 'Confirmation de mot de passe'."],
    }


def test_an_account_of_another_provider_has_no_password(sign_in, db):
    agent = AgentFactory(provider="inclusion_connect")
    answer = sign_in(agent).put(RESET, {})
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": ["Ce compte ne demande pas de mot de passe. Connectez vous en utilisant 'inclusion_connect'."],
    }


SHORT = "Pour assurer la sécurité de votre compte, votre mot de passe doit faire au moins 12 caractères"
LONG = "est trop long (pas plus de 128 caractères)"
DIGIT = "Votre mot de passe doit comporter au moins un chiffre."
UPPER = "Votre mot de passe doit comporter au moins une majuscule."
SPECIAL = "Votre mot de passe doit comporter au moins un caractère spécial, par exemple un signe de ponctuation."
COMMON = (
    "Ce mot de passe fait partie d'une liste de mots de passe fréquemment utilisés et ne permet donc pas d'assurer la "
    "sécurité de votre compte. Veuillez en choisir un autre."
)
MISMATCH = "Le nouveau mot de passe et la confirmation ne concordent pas"


@pytest.mark.parametrize(
    ("password", "messages"),
    [
        ("Aa1!Aa1!Aa1", [SHORT]),
        ("Aa1!" * 32 + "A", [LONG]),
        ("Soleil d'hiver !", [DIGIT]),
        ("soleil d'hiver 27", [UPPER]),
        ("Soleildhiver2027", [SPECIAL]),
        ("Soleil_dhiver_2027", [SPECIAL]),
        ("Motdepasse2026!", [COMMON]),
        ("xqzw", [SHORT, DIGIT, UPPER, SPECIAL]),
        ("azerty", [SHORT, DIGIT, UPPER, SPECIAL, COMMON]),
    ],
)
def test_a_password_that_breaks_the_rules_is_refused_with_all_of_them(cast, sign_in, password, messages):
    answer = sign_in(cast.martine).put(RESET, {"password": password, "password_confirmation": password})
    assert answer.status_code == 422
    assert answer.json() == {"success": False, "errors": {"password": messages, "full_messages": messages}}


@pytest.mark.parametrize("password", ["Aa1!Aa1!Aa1!", "Aa1!" * 32, "Été à 20 heures"])
def test_a_password_at_the_edge_of_the_rules_is_accepted(cast, sign_in, settings, password):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick, and of any length
    answer = sign_in(cast.martine).put(RESET, {"password": password, "password_confirmation": password})
    assert answer.status_code == 200


def test_the_confirmation_must_be_equal(cast, sign_in):
    answer = sign_in(cast.martine).put(RESET, {"password": NEW, "password_confirmation": NEW + " "})
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": {"password_confirmation": [MISMATCH], "full_messages": [MISMATCH]},
    }


def test_a_refused_password_changes_nothing(cast, sign_in, anonymous):
    martine, other = sign_in(cast.martine), sign_in(cast.martine)
    martine.put(RESET, {"password": "court", "password_confirmation": "court"})
    assert other.get("/api/v1/agents").status_code == 200
    assert anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD}).status_code == 200


def test_an_older_shorter_password_still_signs_in(db, anonymous):
    agent = AgentFactory(password="plain$123456")
    assert anonymous.post(SIGN_IN, {"email": agent.email, "password": "123456"}).status_code == 200


def test_a_body_of_another_type_is_not_taken_for_an_empty_one(cast, sign_in):
    answer = sign_in(cast.martine).put(RESET, "password=x", content_type="text/plain")
    assert answer.status_code == 415


# Asking too often.


def test_the_eleventh_request_in_a_minute_waits(cast, anonymous):
    for _ in range(10):
        assert anonymous.post(RESET, {"email": "a@exemple.test", "redirect_url": TARGET}).status_code == 200
    answer = anonymous.post(RESET, {"email": "b@exemple.test", "redirect_url": TARGET})
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["RateLimit-Limit"] == "10"
    assert answer["RateLimit-Remaining"] == "0"
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"errors": ["Limite d'appels API atteinte. Merci de patienter.\n"]}


def test_another_address_does_not_wait(cast, anonymous):
    for _ in range(11):
        anonymous.post(RESET, {"email": "a@exemple.test", "redirect_url": TARGET})
    elsewhere = WireClient(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post(RESET, {"email": "a@exemple.test", "redirect_url": TARGET}).status_code == 200


def test_a_new_password_does_not_wait(cast, anonymous, sign_in):
    for _ in range(11):
        anonymous.post(RESET, {"email": "a@exemple.test", "redirect_url": TARGET})
    answer = sign_in(cast.martine).put(RESET, {"password": NEW, "password_confirmation": NEW})
    assert answer.status_code == 200
