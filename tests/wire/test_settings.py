"""Settings refuse what they do not understand, by name; production refuses to start half-configured (design 6)."""

from __future__ import annotations

import datetime
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {"RDV_ENV": "production", "RDV_SECRET_KEY": "k" * 50, "RDV_ALLOWED_HOSTS": "rdv.agence.test"}
OURS = ("RDV_", "DATABASE_URL", "CACHE_URL", "EMAIL_URL")


@pytest.fixture
def settings_with(monkeypatch):
    """The settings as a process started with these variables, and no other of ours, has them."""

    def read(**variables):
        for name in [name for name in os.environ if name.startswith(OURS)]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "rdv" / "settings.py"))

    return read


def test_everything_has_a_default(settings_with):
    settings = settings_with()
    assert settings["DEBUG"] is False
    assert settings["RDV_TOKEN_LIFETIME"] == datetime.timedelta(hours=24)
    assert settings["RDV_TOKEN_MAX_CLIENTS"] == 10
    assert settings["RDV_TOKEN_ROTATION"] == "sign_in"
    assert settings["RDV_TOKEN_BATCH_WINDOW"] == datetime.timedelta(seconds=5)
    assert settings["RDV_SIGN_IN_LIMIT"] == (10, datetime.timedelta(minutes=15))
    assert settings["DATABASES"]["default"]["ENGINE"] == "rdv.sqlite3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RDV_ENV", "prod"),
        ("RDV_ENV", ""),
        ("RDV_TLS", "yes"),
        ("RDV_PUBLIC_URL", "rdv.agence.test"),
        ("RDV_PUBLIC_URL", "https://rdv.agence.test/chemin"),
        ("RDV_TRUSTED_PROXIES", "-1"),
        ("RDV_TRUSTED_PROXIES", "one"),
        ("RDV_JWT_LIFETIME", "1"),
        ("RDV_OIDC_ISSUERS", ""),
        ("RDV_OIDC_ISSUERS", "https://sso.agence.test"),
        ("RDV_OIDC_ISSUERS", "{}"),
        ("RDV_OIDC_ISSUERS", "[1]"),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://sso.agence.test"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"http://sso.agence.test","audience":"rdv"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://sso.agence.test?a","audience":"rdv"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://me:secret@sso.agence.test","audience":"rdv"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://","audience":"rdv"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":1,"audience":"rdv"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":[]}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":[1]}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","algorithms":["HS256"]}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","algorithms":["none"]}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","leeway":301}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","leeway":"60"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","leeway":true}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","jwks_uri":"http://a.test/keys"}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","jwks_uri":1}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","match":["name"]}]'),
        ("RDV_OIDC_ISSUERS", '[{"issuer":"https://a.test","audience":"rdv","audiences":"rdv"}]'),
        (
            "RDV_OIDC_ISSUERS",
            '[{"issuer":"https://a.test","audience":"rdv"},{"issuer":"https://b.test","audience":"rdv"}]',
        ),
        ("RDV_TOKEN_LIFETIME", "24"),
        ("RDV_TOKEN_LIFETIME", "0h"),
        ("RDV_TOKEN_LIFETIME", "1 day"),
        ("RDV_TOKEN_MAX_CLIENTS", "0"),
        ("RDV_TOKEN_ROTATION", "always"),
        ("RDV_TOKEN_BATCH_WINDOW", "-5s"),
        ("RDV_SIGN_IN_QUEUE", "0"),
        ("RDV_SIGN_IN_QUEUE", "101"),
        ("RDV_SIGN_IN_PATIENCE", "5"),
        ("RDV_SIGN_IN_LIMIT", "10"),
        ("RDV_SIGN_IN_LIMIT", "0/15m"),
        ("RDV_SIGN_IN_LIMIT", "no"),
        ("RDV_REDIRECT_ORIGINS", "app.agence.test"),
        ("RDV_REDIRECT_ORIGINS", "https://app.agence.test/chemin"),
        ("RDV_MAX_BODY_BYTES", "1023"),
        ("RDV_MAX_BODY_BYTES", "1M"),
        ("RDV_LOG_LEVEL", "debug"),
        ("DATABASE_URL", "mysql://localhost/rdv"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "nonsense://localhost/rdv"),
        ("DATABASE_URL", "postgres://localhost:port/rdv"),
        ("CACHE_URL", "nonsense"),
        ("CACHE_URL", "nonsense://localhost"),
        ("EMAIL_URL", "nonsense"),
        ("EMAIL_URL", "nonsense://localhost"),
        ("EMAIL_URL", "smtp://localhost:port"),
    ],
)
def test_a_value_that_is_not_understood_stops_the_start_and_is_named(settings_with, name, value):
    with pytest.raises(ImproperlyConfigured, match=name):
        settings_with(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("RDV_TOKEN_LIFETIME", "30s", datetime.timedelta(seconds=30)),
        ("RDV_TOKEN_LIFETIME", "7d", datetime.timedelta(days=7)),
        ("RDV_SIGN_IN_LIMIT", "3/1h", (3, datetime.timedelta(hours=1))),
        ("RDV_SIGN_IN_LIMIT", "off", None),
        ("RDV_PUBLIC_URL", "https://RDV.agence.test:8443", "https://rdv.agence.test:8443"),
        (
            "RDV_REDIRECT_ORIGINS",
            "https://a.test,http://localhost:3000",
            ["https://a.test", "http://localhost:3000"],
        ),
        ("RDV_JWT_LIFETIME", "15m", datetime.timedelta(minutes=15)),
        ("RDV_OIDC_ISSUERS", "[]", ()),
        (
            "RDV_OIDC_ISSUERS",
            '[{"issuer":"https://a.test/realm","audience":"rdv"}]',
            (("https://a.test/realm", ("rdv",), ("RS256", "ES256"), 60, "", ("sub", "email")),),
        ),
        (
            "RDV_OIDC_ISSUERS",
            '[{"issuer":"http://127.0.0.1:80","audience":["a","b"],"algorithms":"EdDSA","leeway":0,"match":"email"}]',
            (("http://127.0.0.1:80", ("a", "b"), ("EdDSA",), 0, "", ("email",)),),
        ),
        ("RDV_MAX_BODY_BYTES", "2048", 2048),
    ],
)
def test_a_value_that_is_understood(settings_with, name, value, read):
    assert settings_with(**{name: value})[name] == read


def test_no_other_issuer_may_be_this_server(settings_with):
    issuers = '[{"issuer":"https://rdv.agence.test","audience":"rdv"}]'
    with pytest.raises(ImproperlyConfigured, match="RDV_OIDC_ISSUERS"):
        settings_with(RDV_PUBLIC_URL="https://rdv.agence.test", RDV_OIDC_ISSUERS=issuers)


def test_sign_in_limit_off_switches_the_slowing_off(settings_with):
    assert settings_with()["AXES_ENABLED"] is True
    assert settings_with(RDV_SIGN_IN_LIMIT="off")["AXES_ENABLED"] is False


def test_the_refusal_of_an_address_does_not_show_its_password(settings_with):
    with pytest.raises(ImproperlyConfigured) as refusal:
        settings_with(DATABASE_URL="mysql://rdv:secret@localhost/rdv")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["postgres://rdv:secret@localhost:5432/rdv", "postgresql://localhost/rdv", "sqlite:///rdv.sqlite3"]
)
def test_the_two_databases(settings_with, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = "postgresql" if url.startswith("postgres") else "sqlite3"
    assert settings_with(DATABASE_URL=url)["DATABASES"]["default"]["ENGINE"] == {"sqlite3": "rdv.sqlite3"}.get(
        engine, f"django.db.backends.{engine}"
    )


def test_an_unknown_variable_is_warned_of_in_development(settings_with):
    with pytest.warns(UserWarning, match="RDV_TOKEN_LIFETIM"):
        settings_with(RDV_TOKEN_LIFETIM="24h")


def test_production_starts_with_a_key_and_a_host(settings_with):
    settings = settings_with(**PRODUCTION)
    assert settings["ALLOWED_HOSTS"] == ["rdv.agence.test"]
    assert settings["SECURE_SSL_REDIRECT"] is settings["SESSION_COOKIE_SECURE"] is True


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"RDV_SECRET_KEY": ""}, "RDV_SECRET_KEY"),
        ({"RDV_SECRET_KEY": "k" * 49}, "RDV_SECRET_KEY"),
        ({"RDV_ALLOWED_HOSTS": ""}, "RDV_ALLOWED_HOSTS"),
        ({"RDV_TOKEN_LIFETIM": "24h"}, "RDV_TOKEN_LIFETIM"),
        ({"RDV_SIGN_IN_LIMIT": "off"}, "RDV_SIGN_IN_LIMIT"),
    ],
)
def test_production_refuses_to_start_without(settings_with, change, named):
    with pytest.raises(ImproperlyConfigured, match=named):
        settings_with(**PRODUCTION | change)


def test_the_refusal_is_the_last_line_that_an_operator_reads():
    environment = PRODUCTION | {"RDV_SIGN_IN_LIMIT": "off", "PATH": "/usr/bin:/bin"}
    check = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert check.returncode != 0
    assert check.stderr.strip().splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: "
        "RDV_SIGN_IN_LIMIT=off is for tests and load runs; production refuses it."
    )


def test_quotas_are_off_unless_they_are_set(settings_with):
    settings = settings_with()
    assert (settings["RDV_QUOTA"], settings["RDV_QUOTA_EXCEPTIONS"]) == (None, {})
    assert "DEFAULT_THROTTLE_CLASSES" not in settings["REST_FRAMEWORK"]
    assert "agents.quotas.QuotaMiddleware" not in settings["MIDDLEWARE"]


@pytest.mark.parametrize("given", [{"RDV_QUOTA": "600/1m"}, {"RDV_QUOTA_EXCEPTIONS": "account:3=6000/1m"}])
def test_a_quota_for_all_or_for_some_is_kept(settings_with, given):
    settings = settings_with(**given)
    assert settings["REST_FRAMEWORK"]["DEFAULT_THROTTLE_CLASSES"] == ["agents.quotas.QuotaThrottle"]
    assert settings["MIDDLEWARE"][0] == "agents.quotas.QuotaMiddleware"


def test_exceptions_from_the_quota_name_their_holder(settings_with):
    given = "account:3=6000/1m, agent:12=off,A.Martin@agence.fr=5/10s"
    read = settings_with(RDV_QUOTA_EXCEPTIONS=given)["RDV_QUOTA_EXCEPTIONS"]
    assert read == {
        "account:3": (6000, datetime.timedelta(minutes=1)),
        "agent:12": None,
        "a.martin@agence.fr": (5, datetime.timedelta(seconds=10)),
    }


@pytest.mark.parametrize("text", ["account:3", "account:x=off", "3=off", "service:3=off", "account:3=lots", "=off"])
def test_an_exception_that_is_not_understood_stops_the_start(settings_with, text):
    with pytest.raises(ImproperlyConfigured, match="RDV_QUOTA_EXCEPTIONS"):
        settings_with(RDV_QUOTA_EXCEPTIONS=text)


@pytest.mark.parametrize("text", ["600", "0/1m", "600/1", "on", "-5/1m"])
def test_a_quota_that_is_not_understood_stops_the_start(settings_with, text):
    with pytest.raises(ImproperlyConfigured, match="RDV_QUOTA"):
        settings_with(RDV_QUOTA=text)
