"""The shapes of who, on the wire; `agents/serializers.py` renders them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from rdv.api.schema import (
    AUTH_INSTANT,
    INSTANT,
    Shape,
    any_of,
    array,
    choice,
    flag,
    integer,
    nullable,
    obj,
    text,
)

from .models import KeyState, Organisation
from .models.keys import RESOURCES
from .models.roles import AccessLevel

_AGENT = {
    "id": integer(_("Son identifiant.")),
    "email": nullable(text(_("Son adresse."))),
    "first_name": nullable(text(_("Son prénom."))),
    "inclusion_connect_open_id_sub": nullable(text(_("Son identifiant chez Inclusion Connect."))),
    "last_name": nullable(text(_("Son nom."))),
}
EXTERNAL_IDS = Shape(
    "AgentExternalIds",
    _("Ce que d'autres systèmes appellent un agent, pour qui peut le savoir."),
    {
        "id": integer(_("L'identifiant de l'agent.")),
        "external_ids": {
            "type": "object",
            "description": _("Ce que d'autres systèmes l'appellent, par système."),
            "additionalProperties": text(),
        },
    },
)
TERRITORY = Shape(
    "Territory",
    _("Un territoire : un département, ou ce qui lui ressemble."),
    {
        "id": integer(_("Son identifiant.")),
        "departement_number": text(_("Le numéro de son département.")),
        "name": text(_("Son nom.")),
    },
)
ORGANISATION = Shape(
    "Organisation",
    _("Un lieu d'un territoire où travaillent des agents."),
    {
        "id": integer(_("Son identifiant.")),
        "email": nullable(text(_("Son adresse électronique."))),
        "name": text(_("Son nom, unique dans son territoire.")),
        "phone_number": nullable(text(_("Son téléphone."))),
        "verticale": choice(*Organisation.Verticale.values, about=_("Le service en ligne auquel elle appartient.")),
        "territory": nullable(TERRITORY),
    },
    optional=("territory",),  # with `expand`
)
SERVICE = Shape(
    "Service",
    _("Un métier : PMI, service social, secrétariat…"),
    {
        "id": integer(_("Son identifiant.")),
        "name": text(_("Son nom.")),
        "secretariat": flag(_("Si ses agents voient tous ceux de leurs organisations.")),
        "short_name": text(_("Son nom court.")),
    },
)
AGENT = Shape(
    "Agent",
    _("Un agent d'une ou de plusieurs organisations."),
    _AGENT
    | {
        "organisations": array(ORGANISATION, _("Avec `expand` : celles où il a un rôle.")),
        "services": array(SERVICE, _("Avec `expand` : ses services.")),
    },
    optional=("organisations", "services"),
)
ROLE = Shape(
    "Role",
    _("Ce que l'on est dans une organisation."),
    {
        "access_level": choice(*AccessLevel.values, about=_("Ce que l'on y peut.")),
        "organisation": ORGANISATION,
    },
)
ACCOUNT = Shape(
    "Account",
    _("L'agent connecté, en onze clés."),
    {
        "id": integer(_("Son identifiant.")),
        "deleted_at": nullable(AUTH_INSTANT),
        "email": nullable(text(_("Son adresse."))),
        "provider": text(_("Par quoi il se connecte : email.")),
        "service_id": nullable(integer(_("Son premier service."))),
        "role": choice("admin", "user", about=_("admin : d'au moins une organisation.")),
        "last_name": nullable(text(_("Son nom."))),
        "first_name": nullable(text(_("Son prénom."))),
        "uid": text(_("Ce que porte l'en-tête `uid`.")),
        "email_original": nullable(text(_("L'adresse d'un agent supprimé."))),
        "allow_password_change": flag(_("S'il vient du lien d'un courriel.")),
        "created_at": AUTH_INSTANT,
        "updated_at": AUTH_INSTANT,
    },
    optional=("created_at", "updated_at"),
)
CREDENTIAL = Shape(
    "Credential",
    _("Ce avec quoi la requête est venue, sans rien de secret. Ce qui est là dépend du genre."),
    {
        "kind": text(
            _(
                "Son genre : token (le triplet), session (un navigateur), shared_secret, personal_token, "
                "account_token, jwt, oidc."
            )
        ),
        "client": text(_("Le client d'un triplet.")),
        "id": integer(_("L'identifiant d'une clé.")),
        "name": text(_("Le nom d'une clé.")),
        "prefix": text(_("Le début d'une clé.")),
        "read_only": flag(_("Si elle ne fait que lire.")),
        "resources": nullable(array(text(), _("Ce pour quoi elle vaut ; null : tout."))),
        "organisations": nullable(array(integer(), _("Là où elle vaut ; null : partout."))),
        "issuer": text(_("Qui a émis le jeton.")),
        "account": obj(_("Le compte d'API."), id=integer(), name=text()),
        "created_at": nullable(INSTANT),
        "expires_at": nullable(INSTANT),
        "last_used_at": nullable(INSTANT),
    },
    optional=(
        *("client", "id", "name", "prefix", "read_only", "resources", "organisations", "issuer", "account"),
        *("created_at", "expires_at", "last_used_at"),
    ),
)
CALLER = Shape(
    "Caller",
    _("Un agent ou un compte d'API, en bref."),
    {
        "kind": choice("agent", "api_account", about=_("Lequel des deux.")),
        "id": integer(_("Son identifiant.")),
        "email": nullable(text(_("L'adresse d'un agent."))),
        "name": text(_("Son nom.")),
    },
    optional=("email",),
)
ME = Shape(
    "Me",
    _("Qui appelle : un agent ou un compte d'API, et avec quoi."),
    {
        "agent": Shape(
            "MyAgent",
            _("L'agent, ce qu'il est et où."),
            {
                **_AGENT,
                "roles": array(ROLE, _("Un par organisation.")),
                "services": array(SERVICE),
                "territories": array(TERRITORY, _("Ceux qu'il administre.")),
            },
        ),
        "api_account": Shape(
            "MyAccount",
            _("Le compte d'API, ce qu'il est et où."),
            {
                "id": integer(_("Son identifiant.")),
                "name": text(_("Son nom.")),
                "roles": array(ROLE, _("Un par organisation.")),
                "services": array(SERVICE),
            },
        ),
        "credential": CREDENTIAL,
    },
    optional=("agent", "api_account"),
)
TOKEN_IN_USE = Shape(
    "TokenInUse",
    _("Ce avec quoi la requête est venue, à qui c'est, et pour qui cela agit."),
    {**CREDENTIAL.properties, "owner": CALLER, "acts_for": nullable(CALLER)},
    optional=CREDENTIAL.optional,
)
KEY = Shape(
    "Token",
    _("Une clé d'accès personnelle. Son secret n'est montré qu'à sa création."),
    {
        "id": integer(_("Son identifiant.")),
        "name": text(_("À quoi elle sert.")),
        "note": text(_("Ce que l'on veut s'en rappeler.")),
        "prefix": text(_("Ses premiers caractères.")),
        "state": choice(*[state.value for state in KeyState], about=_("Si elle vaut.")),
        "read_only": flag(_("Si elle ne fait que lire.")),
        "resources": nullable(array(choice(*RESOURCES), _("Ce pour quoi elle vaut ; null : tout."))),
        "organisations": nullable(array(integer(), _("Là où elle vaut ; null : partout."))),
        "created_at": INSTANT,
        "expires_at": nullable(INSTANT),
        "last_used_at": nullable(INSTANT),
        "secret": text(_("La clé elle-même, une seule fois.")),
    },
    optional=("secret",),
)
JWT = Shape(
    "JsonWebToken",
    _("Un jeton signé (RFC 7519)."),
    {
        "access_token": text(_("Le jeton, pour `Authorization: Bearer`.")),
        "token_type": choice("Bearer"),
        "expires_in": integer(_("Pendant combien de secondes il vaut.")),
    },
)
JWKS = Shape(
    "JsonWebKeySet",
    _("Les clés publiques qui vérifient nos jetons (RFC 7517)."),
    {"keys": array({"type": "object", "description": _("Une clé."), "additionalProperties": True})},
)
DONE = Shape("Done", _("C'est fait."), {"success": flag(const=True)})
ENTRY = Shape(
    "Entry",
    _("Une ligne du journal : qui a fait quoi, quand, d'où et pourquoi."),
    {
        "id": integer(_("Son identifiant.")),
        "at": INSTANT,
        "action": text(_("Ce qui a été fait.")),
        "code": nullable(text(_("Pourquoi un refus a été fait."))),
        "repeated": integer(_("Combien de fois de suite.")),
        "resource": text(_("Le genre de ce qui est touché.")),
        "object": obj(_("Ce qui est touché."), id=nullable(integer()), name=nullable(text())),
        "changes": {
            "type": "object",
            "description": _("Champ par champ, ce qui était là et ce qui y est."),
            "additionalProperties": array({}),
        },
        "reason": nullable(text(_("Pourquoi, quand c'est dit."))),
        "actor": obj(_("Qui l'a fait."), kind=text(), id=nullable(integer()), name=nullable(text())),
        "acts_for": any_of(obj(_("Pour qui."), id=integer(), name=text()), {"type": "null"}),
        "credential": any_of(
            obj(_("Avec quoi."), kind=text(), id=nullable(integer()), name=nullable(text())), {"type": "null"}
        ),
        "address": nullable(text(_("D'où."))),
        "request_id": nullable(text(_("L'identifiant de la requête."))),
        "method": nullable(text(_("Sa méthode."))),
        "route": nullable(text(_("La route demandée."))),
        "agent_id": nullable(integer(_("L'agent que cela concerne."))),
        "organisation_id": nullable(integer(_("L'organisation que cela concerne."))),
    },
)
