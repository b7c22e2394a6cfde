"""Everything that can be configured, from the environment (docs/settings.md describes each variable).

Runs right after a clone, with nothing set. A value that is not understood stops the start with a sentence that names
it; so do, in production, a missing secret key, an empty host list and a variable that does not exist.
"""

import datetime
import ipaddress
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parent.parent

env = environ.Env(
    RDV_ENV=(str, "development"),
    RDV_SECRET_KEY=(str, ""),
    RDV_ALLOWED_HOSTS=(list, []),
    RDV_PUBLIC_URL=(str, ""),
    RDV_TRUSTED_PROXIES=(int, 0),
    RDV_TLS=(str, "on"),
    RDV_SHARED_SECRET=(str, ""),
    RDV_TOKEN_LIFETIME=(str, "24h"),
    RDV_TOKEN_MAX_CLIENTS=(int, 10),
    RDV_TOKEN_ROTATION=(str, "sign_in"),
    RDV_TOKEN_BATCH_WINDOW=(str, "5s"),
    RDV_JWT_LIFETIME=(str, "1h"),
    RDV_OIDC_ISSUERS=(str, "[]"),
    RDV_KEYS_WITHOUT_END=(str, "on"),
    RDV_KEY_IN_ADDRESS=(str, "off"),
    RDV_API=(str, "on"),
    RDV_KEY_CREATION=(str, "on"),
    RDV_PASSWORD_SIGN_IN=(str, "on"),
    RDV_REASON=(str, "optional"),
    RDV_IDEMPOTENCY_KEPT=(str, "24h"),
    RDV_IF_MATCH=(str, "optional"),
    RDV_RECORD_KEPT=(str, "365d"),
    RDV_ABSENCES_TOMBSTONE_DAYS=(int, 90),
    RDV_SIGN_IN_LIMIT=(str, "10/15m"),
    RDV_SIGN_IN_QUEUE=(int, 64),
    RDV_SIGN_IN_PATIENCE=(str, "5s"),
    RDV_REDIRECT_ORIGINS=(list, []),
    RDV_MAX_BODY_BYTES=(int, 1024 * 1024),
    RDV_QUOTA=(str, "off"),
    RDV_QUOTA_EXCEPTIONS=(list, []),
    RDV_GZIP=(str, "off"),
    RDV_FEEDS_REFRESH=(str, "1h"),
    RDV_FEEDS_CANCELLED_DAYS=(int, 30),
    RDV_WEBHOOKS_ALLOWED_NETWORKS=(list, []),
    RDV_WEBHOOKS_HTTP=(str, "off"),
    RDV_WEBHOOKS_PORTS=(list, ["443", "8443"]),
    RDV_WEBHOOKS_DISABLE_DAYS=(int, 5),
    RDV_WEBHOOKS_KEEP_DAYS=(int, 30),
    RDV_WEBHOOKS_SECRET_OVERLAP=(str, "24h"),
    RDV_MAIL_FROM=(str, "RDV <ne-pas-repondre@rdv.localhost>"),
    RDV_LOG_LEVEL=(str, "INFO"),
    RDV_LOG_FORMAT=(str, "text"),
    RDV_ACCESS_LOG=(str, "off"),
    RDV_METRICS_TOKEN=(str, ""),
    DATABASE_URL=(str, ""),
    CACHE_URL=(str, ""),
    EMAIL_URL=(str, "consolemail://"),
)


def setting(name: str, read: Callable[[Any], Any] = lambda value: value, expected: str = "") -> Any:
    """The value of a variable; stops the start when `read` does not understand it (`expected` says what it would)."""
    try:
        return read(env(name))
    except (ValueError, KeyError, IndexError, ImproperlyConfigured) as error:
        shown = f"={os.environ.get(name)!r}" if name.startswith("RDV_") else ""  # addresses hold passwords
        # Nor does a traceback show them: the error that was met repeats a part of what it did not understand.
        raise ImproperlyConfigured(f"{name}{shown} is not understood; expected {expected}.") from (
            error if shown else None
        )


def one_of(*choices: str) -> Callable[[str], str]:
    return lambda value: choices[choices.index(value)]


def on_or_off(text: str) -> bool:
    return one_of("off", "on")(text) == "on"


def at_least(minimum: int) -> Callable[[int], int]:
    def read(value: int) -> int:
        if value < minimum:
            raise ValueError
        return value

    return read


def between(minimum: int, maximum: int) -> Callable[[int], int]:
    def read(value: int) -> int:
        if value > maximum:
            raise ValueError
        return at_least(minimum)(value)

    return read


def duration(text: str) -> datetime.timedelta:
    """`30s`, `15m`, `24h` or `7d`."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if match is None:
        raise ValueError
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return datetime.timedelta(**{unit: int(match[1])})


class Limit(NamedTuple):
    """So many, `count`, in a `window`."""

    count: int
    window: datetime.timedelta


def limit(text: str) -> Limit | None:
    if text == "off":
        return None
    count, _slash, window = text.partition("/")
    return Limit(at_least(1)(int(count)), duration(window))


def quota_exceptions(texts: list[str]) -> dict[str, Limit | None]:
    exceptions = {}
    for text in texts:
        holder, _equals, quota = text.strip().rpartition("=")
        if not re.fullmatch(r"(account|agent):[1-9][0-9]*|[^@\s]+@[^@\s]+", holder):
            raise ValueError
        exceptions[holder.lower()] = limit(quota)
    return exceptions


def origins(urls: list[str]) -> list[str]:
    if not all(re.fullmatch(r"https?://[^/]+", url) for url in urls):
        raise ValueError
    return [url.lower() for url in urls]


SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class OidcIssuer(NamedTuple):
    """An identity provider whose tokens are accepted: when one of `audience` is theirs, `algorithms` may sign them, the
    clocks differ by `leeway` seconds at most. `jwks_uri`: where its keys are, "" to ask its discovery document.
    `match`: by what an agent is found, `sub` (their Inclusion Connect identifier) or `email` (a verified one).
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    leeway: int = 60
    jwks_uri: str = ""
    match: tuple[str, ...] = ("sub", "email")


def oidc_issuers(text: str) -> tuple[OidcIssuer, ...]:
    documents = json.loads(text)
    if not isinstance(documents, list) or not all(isinstance(document, dict) for document in documents):
        raise ValueError
    issuers = tuple(map(_oidc_issuer, documents))
    # What one calls a person, another may call somebody else.
    by_sub = sum("sub" in issuer.match for issuer in issuers)
    if by_sub > 1 or len({issuer.issuer for issuer in issuers}) < len(issuers):
        raise ValueError
    return issuers


def _oidc_issuer(document: dict[str, Any]) -> OidcIssuer:
    if not {"issuer", "audience"} <= document.keys() <= set(OidcIssuer._fields):
        raise ValueError
    lists = {name: _texts(document[name]) for name in ("audience", "algorithms", "match") if name in document}
    issuer = OidcIssuer(**document | lists)
    urls = (issuer.issuer, issuer.jwks_uri or issuer.issuer)
    if not all(isinstance(url, str) and may_be_asked(url) for url in urls) or "?" in issuer.issuer:
        raise ValueError
    if not set(issuer.algorithms) <= set(SIGNATURES) or not set(issuer.match) <= {"sub", "email"}:
        raise ValueError
    if type(issuer.leeway) is not int or not 0 <= issuer.leeway <= 300:
        raise ValueError
    return issuer


def _texts(given: Any) -> tuple[str, ...]:
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
        raise ValueError
    return tuple(given)


def may_be_asked(url: str) -> bool:
    """Whether an identity provider may be there: over TLS, or on this machine."""
    parts = urlsplit(url)
    this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1")
    secure = parts.scheme == "https" or (parts.scheme == "http" and this_machine)
    return secure and bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment and url.isprintable()


def database(url: str) -> dict[str, Any]:
    if not re.match(r"(sqlite|postgres|postgresql)://", url):
        raise ValueError
    return env.db_url_config(url)


def networks(texts: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text.strip()) for text in texts]


def ports(texts: list[str]) -> frozenset[int]:
    return frozenset(between(1, 65535)(int(text)) for text in texts)


ON_OR_OFF = "on or off"
A_DURATION = "a number and s, m, h or d, such as 24h"

RDV_ENV = setting("RDV_ENV", one_of("development", "production"), "development or production")
PRODUCTION = RDV_ENV == "production"

if unknown := sorted(name for name in os.environ if name.startswith("RDV_") and name not in env.scheme):
    sentence = f"Unknown settings in the environment: {', '.join(unknown)}. docs/settings.md lists those that exist."
    if PRODUCTION:
        raise ImproperlyConfigured(sentence)
    warnings.warn(sentence, stacklevel=1)

# Who may be called, and by what name.

SECRET_KEY = setting("RDV_SECRET_KEY")
ALLOWED_HOSTS = setting("RDV_ALLOWED_HOSTS")
if PRODUCTION:
    if len(SECRET_KEY) < 50:
        raise ImproperlyConfigured("RDV_SECRET_KEY must be set in production, to 50 random characters or more.")
    if not ALLOWED_HOSTS:
        raise ImproperlyConfigured(
            "RDV_ALLOWED_HOSTS must name at least one host in production, such as rdv.agency.fr."
        )
else:
    SECRET_KEY = SECRET_KEY or "development-only-" + "0" * 50
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]", "testserver"]

DEBUG = False
RDV_PUBLIC_URL = setting(
    "RDV_PUBLIC_URL", lambda url: origins([url])[0] if url else "", "an origin: https://rdv.agency.fr"
)
RDV_TRUSTED_PROXIES = setting("RDV_TRUSTED_PROXIES", at_least(0), "a number of proxies, 0 or more")

# Credentials.

RDV_SHARED_SECRET = setting("RDV_SHARED_SECRET")
RDV_TOKEN_LIFETIME = setting("RDV_TOKEN_LIFETIME", duration, A_DURATION)
RDV_TOKEN_MAX_CLIENTS = setting("RDV_TOKEN_MAX_CLIENTS", at_least(1), "1 or more")
RDV_TOKEN_ROTATION = setting("RDV_TOKEN_ROTATION", one_of("sign_in", "request"), "sign_in or request")
RDV_TOKEN_BATCH_WINDOW = setting("RDV_TOKEN_BATCH_WINDOW", duration, A_DURATION)
RDV_TOKEN_TOUCH_INTERVAL = datetime.timedelta(minutes=5)
RDV_JWT_LIFETIME = setting("RDV_JWT_LIFETIME", duration, A_DURATION)
RDV_OIDC_ISSUERS = setting(
    "RDV_OIDC_ISSUERS",
    oidc_issuers,
    'a JSON list of {"issuer": "https://…", "audience": "…"}; docs/settings.md has what else it may say',
)
if RDV_PUBLIC_URL and any(issuer.issuer == RDV_PUBLIC_URL for issuer in RDV_OIDC_ISSUERS):
    raise ImproperlyConfigured("RDV_OIDC_ISSUERS names RDV_PUBLIC_URL, which is this server.")
RDV_KEYS_WITHOUT_END = setting("RDV_KEYS_WITHOUT_END", on_or_off, ON_OR_OFF)
RDV_KEY_IN_ADDRESS = setting("RDV_KEY_IN_ADDRESS", on_or_off, ON_OR_OFF)
RDV_API = setting("RDV_API", on_or_off, ON_OR_OFF)
RDV_KEY_CREATION = setting("RDV_KEY_CREATION", on_or_off, ON_OR_OFF)
RDV_PASSWORD_SIGN_IN = setting("RDV_PASSWORD_SIGN_IN", on_or_off, ON_OR_OFF)
RDV_SIGN_IN_LIMIT = setting("RDV_SIGN_IN_LIMIT", limit, "failures/duration such as 10/15m, or off")
if PRODUCTION and RDV_SIGN_IN_LIMIT is None:
    raise ImproperlyConfigured("RDV_SIGN_IN_LIMIT=off is for tests and load runs; production refuses it.")
# bin/serve has threads for no more of them to wait in.
RDV_SIGN_IN_QUEUE = setting("RDV_SIGN_IN_QUEUE", between(1, 100), "1 to 100")
RDV_SIGN_IN_PATIENCE = setting("RDV_SIGN_IN_PATIENCE", duration, A_DURATION)
RDV_REDIRECT_ORIGINS = setting("RDV_REDIRECT_ORIGINS", origins, "origins such as https://app.agency.fr, with commas")
RDV_MAX_BODY_BYTES = setting("RDV_MAX_BODY_BYTES", at_least(1024), "1024 or more")

RDV_IDEMPOTENCY_KEPT = setting("RDV_IDEMPOTENCY_KEPT", duration, A_DURATION)
RDV_IF_MATCH = setting("RDV_IF_MATCH", one_of("optional", "required"), "optional or required")
RDV_QUOTA = setting("RDV_QUOTA", limit, "requests/duration such as 600/1m, or off")
RDV_QUOTA_EXCEPTIONS = setting(
    "RDV_QUOTA_EXCEPTIONS",
    quota_exceptions,
    "account:3=6000/1m, agent:12=off or agent@agency.fr=off, with commas",
)
RDV_GZIP = setting("RDV_GZIP", on_or_off, ON_OR_OFF)

# Webhooks.

RDV_WEBHOOKS_ALLOWED_NETWORKS = setting("RDV_WEBHOOKS_ALLOWED_NETWORKS", networks, "networks such as 10.1.0.0/16")
RDV_WEBHOOKS_HTTP = setting("RDV_WEBHOOKS_HTTP", on_or_off, ON_OR_OFF)
RDV_WEBHOOKS_PORTS = setting("RDV_WEBHOOKS_PORTS", ports, "ports such as 443,8443")
RDV_WEBHOOKS_DISABLE_DAYS = setting("RDV_WEBHOOKS_DISABLE_DAYS", between(1, 30), "1 to 30")
RDV_WEBHOOKS_KEEP_DAYS = setting("RDV_WEBHOOKS_KEEP_DAYS", between(8, 365), "8 to 365")
RDV_WEBHOOKS_SECRET_OVERLAP = setting("RDV_WEBHOOKS_SECRET_OVERLAP", duration, A_DURATION)

# Calendars that follow.

RDV_FEEDS_REFRESH = setting("RDV_FEEDS_REFRESH", duration, A_DURATION)
RDV_FEEDS_CANCELLED_DAYS = setting("RDV_FEEDS_CANCELLED_DAYS", between(0, 3650), "0 to 3650")

# Deleted absences.

RDV_ABSENCES_TOMBSTONE_DAYS = setting("RDV_ABSENCES_TOMBSTONE_DAYS", between(1, 3650), "1 to 3650")

# The record.

RDV_REASON = setting("RDV_REASON", one_of("optional", "required"), "optional or required")
RDV_RECORD_KEPT = setting("RDV_RECORD_KEPT", duration, A_DURATION)

AUTH_USER_MODEL = "agents.Agent"
PASSWORD_HASHERS = [
    "agents.passwords.OwaspArgon2Hasher",
    "agents.passwords.OlderPBKDF2Hasher",
    "agents.passwords.OlderBCryptHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"agents.passwords.{rule}"}
    for rule in ("LongEnough", "NotTooLong", "HasDigit", "HasUpperCase", "HasSpecialCharacter", "NotCommon")
]
PASSWORD_RESET_TIMEOUT = 6 * 60 * 60  # seconds; contract 2.8
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "agents.backends.PasswordBackend",
]

AXES_ENABLED = RDV_SIGN_IN_LIMIT is not None
AXES_FAILURE_LIMIT = RDV_SIGN_IN_LIMIT.count if RDV_SIGN_IN_LIMIT else 1
AXES_COOLOFF_TIME = RDV_SIGN_IN_LIMIT.window if RDV_SIGN_IN_LIMIT else None
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_CLIENT_IP_CALLABLE = "rdv.api.client.address_of"
AXES_USERNAME_FORM_FIELD = "username"  # what authenticate() is given; the default, "email", is never found there
AXES_USERNAME_CALLABLE = "agents.passwords.typed_email"
AXES_LOCKOUT_CALLABLE = "agents.pages.locked_out"
# Of what was sent with a failed sign-in, these are not kept.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "secret", "password1", "password2"]
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # agents.admin has a page of failed sign-ins, without what was typed

# Rooms.

INSTALLED_APPS = [
    "rdv.api",
    "agents",
    "absences",
    "webhooks",
    "rdv.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "corsheaders",
    "csp",
    "drf_spectacular_sidecar",
    "django_guid",
    "axes",
]

MIDDLEWARE = [
    "absences.feeds.serving.HiddenAddresses",
    "rdv.api.middleware.WireMiddleware",
    "django_guid.middleware.guid_middleware",
    "agents.record.origin.RecordMiddleware",
    "rdv.api.middleware.LanguageMiddleware",  # early: a refused host is told so in the caller's language
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "rdv.api.middleware.AnyHeaderCorsMiddleware",
    "rdv.api.middleware.SwitchMiddleware",
    "rdv.pages.Speakable",
    "rdv.pages.StaticFiles",
    "rdv.pages.ContentPolicy",
    "rdv.pages.Sessions",
    "rdv.api.middleware.ChunkedBodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "rdv.pages.Authentication",
    "rdv.pages.Messages",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "rdv.urls"
WSGI_APPLICATION = "rdv.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "rdv" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The wire.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "agents.authentication.SharedSecretAuthentication",
        "agents.authentication.BearerAuthentication",
        "agents.authentication.TripleAuthentication",
        "agents.authentication.SessionAuthentication",  # of requests that our own pages make
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "rdv.api.parsers.StrictJSONParser",
        "rdv.api.parsers.WireFormParser",
        "rdv.api.parsers.WireMultiPartParser",
        "rdv.api.parsers.OtherBodyParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rdv.api.renderers.WireJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rdv.api.renderers.JSONWhateverIsAccepted",
    "DEFAULT_METADATA_CLASS": "rdv.api.metadata.WireMetadata",
    "EXCEPTION_HANDLER": "rdv.api.errors.respond",
    "URL_FORMAT_OVERRIDE": None,
}
if RDV_QUOTA or RDV_QUOTA_EXCEPTIONS:
    REST_FRAMEWORK["DEFAULT_THROTTLE_CLASSES"] = ["agents.quotas.QuotaThrottle"]
    MIDDLEWARE.insert(0, "agents.quotas.QuotaMiddleware")
DATA_UPLOAD_MAX_MEMORY_SIZE = RDV_MAX_BODY_BYTES

# All that is below /api/, but for versions that do not exist.
CORS_URLS_REGEX = r"^/api/(?:v?1/|(?!v?[0-9])[a-z_])"
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_METHODS = ["GET", "POST", "PATCH", "PUT"]
CORS_EXPOSE_HEADERS = [
    *("client", "uid", "access-token"),  # contract 1.2; the rest is ours
    *("Deprecation", "ETag", "Idempotency-Replayed", "Link", "Location", "Preference-Applied", "RateLimit-Limit"),
    *("RateLimit-Remaining", "Retry-After", "Sunset", "WWW-Authenticate", "X-API-Version", "X-Request-Id"),
    *("X-Total-Count", "X-Unknown-Parameters"),
]
CORS_PREFLIGHT_MAX_AGE = 7200

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-Id",
    "VALIDATE_GUID": True,
    "RETURN_HEADER": True,
    "EXPOSE_HEADER": False,
    "UUID_FORMAT": "string",
}

# Pages.

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    },
}
# WireMiddleware sets X-Frame-Options, on every answer alike.
SILENCED_SYSTEM_CHECKS = ["security.W002"]
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_ENGINE = "rdv.sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
CSRF_FAILURE_VIEW = "agents.pages.stale_form"
LOGIN_URL = "sign_in"
SESSION_COOKIE_AGE = 60 * 60  # seconds without a request
RDV_SESSION_LIFETIME = datetime.timedelta(hours=12)
TLS = setting("RDV_TLS", on_or_off, ON_OR_OFF) and PRODUCTION
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS
if TLS:
    # Browsers take a cookie of this name from this very host alone, and over TLS.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
if RDV_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "var" / "static"
STATICFILES_DIRS = [ROOT / "rdv" / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_MANIFEST_STRICT = False

# Where things are kept.

DATABASES = {
    "default": setting(
        "DATABASE_URL",
        lambda url: database(url or f"sqlite:///{ROOT / 'var' / 'rdv.sqlite3'}"),
        "sqlite:///path or postgres://user:password@host/name",
    )
}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # Readers never wait; writers queue for the lock instead of failing half-way; a commit is on the disk when it is
    # acknowledged.
    _database["ENGINE"] = "rdv.sqlite3"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
    }
    _database["CONN_MAX_AGE"] = None
    if _database["NAME"] != ":memory:":
        Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
else:
    _database.setdefault("OPTIONS", {})
    # Connections go with the turns (rdv/api/turns.py), and stay. One that broke is made anew at the next request, not
    # when a pool tries again; a server that does not answer is waited for this long.
    _database["CONN_MAX_AGE"] = None
    _database["OPTIONS"].setdefault("connect_timeout", 3)
    # A statement that is run twice is planned once (rdv/api/statements.py); a pooler in between must allow it.
    _database["OPTIONS"].setdefault("prepare_threshold", 1)
    # Of several hosts, the one that takes writes; and of one that became a standby, none: a connection stays.
    _database["OPTIONS"].setdefault("target_session_attrs", "read-write")
    # A machine that vanished says nothing: without these a request would wait a quarter of an hour for it.
    for _name, _value in (("tcp_user_timeout", 10_000), ("keepalives_idle", 10), ("keepalives_interval", 3)):
        _database["OPTIONS"].setdefault(_name, _value)

CACHES = {
    "default": setting("CACHE_URL", lambda url: url and env.cache_url_config(url), "an address: redis://host:6379/0")
    or {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "rdv_cache"}
}
if CACHES["default"]["BACKEND"].endswith("RedisCache"):
    # One that does not answer is soon given up; a connection that died with its server is made anew at once.
    CACHES["default"]["OPTIONS"] = {
        "socket_connect_timeout": 0.5,
        "socket_timeout": 0.5,
        "retry": Retry(NoBackoff(), 1),
    } | CACHES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

vars().update(setting("EMAIL_URL", env.email_url_config, "an address: smtp://user:password@host:25"))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = setting("RDV_MAIL_FROM")

# Words and hours.

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français"), ("en", "English")]
LOCALE_PATHS = [ROOT / "rdv" / "locale"]
USE_I18N = True
TIME_ZONE = "Europe/Paris"
USE_TZ = True

# What is written down. A request's id is on each of its lines; what was sent or stored is on none (docs/security.md).

RDV_METRICS_TOKEN = setting("RDV_METRICS_TOKEN")
if RDV_METRICS_TOKEN and not re.fullmatch(r"[\x21-\x7e]{20,}", RDV_METRICS_TOKEN):
    raise ImproperlyConfigured("RDV_METRICS_TOKEN must be 20 characters or more, without spaces or accents.")
RDV_ACCESS_LOG = setting("RDV_ACCESS_LOG", one_of("off", "json"), "json or off") == "json"
RDV_LOG_FORMAT = setting("RDV_LOG_FORMAT", one_of("text", "json"), "text or json")

DEFAULT_EXCEPTION_REPORTER = "rdv.reports.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "rdv.reports.Filter"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "django_guid.log_filters.CorrelationId"}},
    "formatters": {
        "line": {
            "class": "rdv.reports.Line",
            "format": "{asctime} {levelname} {name} [{correlation_id}] {message}",
            "style": "{",
        },
        "json": {"class": "rdv.reports.JsonLine"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": "json" if RDV_LOG_FORMAT == "json" else "line",
            "filters": ["request_id"],
        },
        "access": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "json"},
    },
    "root": {
        "handlers": ["console"],
        "level": setting("RDV_LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR"),
    },
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # Statements have digests and hashes among their parameters.
        "django.db.backends": {"level": "INFO"},
        # One line a refused request is the access log's business.
        "django.request": {"level": "ERROR"},
        "django_guid": {"level": "ERROR"},
        # Strangers call by any name, and send what no page has; each is refused, none is news.
        "django.security": {"level": "CRITICAL"},
        "django.security.csrf": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # One line a request, where that is asked for.
        "rdv.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}
