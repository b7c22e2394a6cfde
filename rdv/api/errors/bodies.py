"""The bodies of errors, as the description of the API has them (contract 1.7, RFC 9457)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from ..schema import DAY, Shape, array, choice, flag, nullable, text

# The bodies of errors (contract 1.7), as the description of the API has them.
_SENTENCES = array(text(), gettext_lazy("Une phrase par erreur, pour une personne."))
_HINT = text(gettext_lazy("Ce qu'il faut sans doute changer, ou l'endroit de l'erreur."))
_VERSIONS = array(
    Shape(
        "Version",
        gettext_lazy("Une version de l'API."),
        {
            "version": text(gettext_lazy("Son numéro.")),
            "state": choice("supported", "deprecated"),
            "path": text(gettext_lazy("Ce par quoi ses adresses commencent.")),
            "since": DAY,
            "deprecated_on": nullable(DAY),
            "sunset_on": nullable(DAY),
        },
    ),
    gettext_lazy("Les versions qu'il y a."),
)
_ABSENCES = array({"type": "integer"}, gettext_lazy("Les absences dont il s'agit."))
_NEAREST = text(gettext_lazy("Le nom le plus proche, parmi ceux qui sont connus."))
CODED = Shape(
    "CodedError",
    gettext_lazy("Une erreur qui a un code."),
    {
        "success": flag(const=False),
        "errors": array(
            Shape(
                "Code",
                gettext_lazy("Ce qui ne va pas."),
                {
                    "base": text(gettext_lazy("Le code, le même dans toutes les langues.")),
                    "parameter": text(gettext_lazy("Le nom d'un paramètre qui n'est pas connu.")),
                    "did_you_mean": _NEAREST,
                },
                optional=("parameter", "did_you_mean"),
            )
        ),
        "error_messages": _SENTENCES,
        "hint": _HINT,
        "versions": _VERSIONS,
        "absence_ids": _ABSENCES,
    },
    optional=("success", "hint", "versions", "absence_ids"),
)
TOLD = Shape(
    "ToldError",
    gettext_lazy("Une erreur dite par une phrase, ou par son code."),
    {"success": flag(const=False), "errors": _SENTENCES, "hint": _HINT},
    optional=("success", "hint"),
)
MISSING = Shape(
    "MissingRecord",
    gettext_lazy("Ce qui est demandé n'existe pas."),
    {"not_found": text(gettext_lazy("Ce qui n'a pas été trouvé.")), "hint": _HINT},
    optional=("hint",),
)
_FAILURE = Shape(
    "Failure",
    gettext_lazy("Un défaut d'un champ, et ce qui l'explique."),
    {
        "error": text(gettext_lazy("Le code : blank, invalid, inclusion, taken, too_long…")),
        "value": {"description": gettext_lazy("Ce qui a été envoyé.")},
        "count": {"type": "integer", "description": gettext_lazy("La limite dépassée.")},
        "format": text(gettext_lazy("Le format attendu.")),
        "allowed": array(text(), gettext_lazy("Les noms qui existent.")),
        "unknown": text(gettext_lazy("Ce qui n'est pas connu.")),
        "known": text(gettext_lazy("Ce qui l'est.")),
        "organisations": text(gettext_lazy("Les organisations dont il s'agit.")),
    },
    optional=("value", "count", "format", "allowed", "unknown", "known", "organisations"),
)
INVALID_RECORD = Shape(
    "InvalidRecord",
    gettext_lazy("Tout ce qui ne va pas, champ par champ."),
    {
        "success": flag(const=False),
        "errors": {
            "type": "object",
            "description": gettext_lazy("Les défauts de chaque champ."),
            "additionalProperties": array(_FAILURE),
        },
        "error_messages": _SENTENCES,
        "hint": _HINT,
    },
    optional=("hint",),
)
_MORE = [name for name in _FAILURE.properties if name != "error"]
PROBLEM_DETAILS = Shape(
    "Problem",
    gettext_lazy("Une erreur, telle que la RFC 9457 la décrit, pour qui préfère `application/problem+json`."),
    {
        "type": text(gettext_lazy("L'adresse de la page qui explique le code."), format="uri-reference"),
        "title": text(gettext_lazy("Comment cela s'appelle.")),
        "status": {"type": "integer", "description": gettext_lazy("Le statut de la réponse.")},
        "detail": text(gettext_lazy("Ce qui ne va pas, dans cette requête.")),
        "instance": text(gettext_lazy("La requête."), format="uri"),
        "code": text(gettext_lazy("Le code, le même dans toutes les langues.")),
        "request_id": text(gettext_lazy("Ce que dit l'en-tête X-Request-Id.")),
        "hint": _HINT,
        "resource": text(gettext_lazy("Le genre de ce qui n'a pas été trouvé.")),
        "errors": array(
            Shape(
                "ProblemOfAValue",
                gettext_lazy("Un défaut d'un paramètre."),
                {
                    "pointer": text(gettext_lazy("Lequel (RFC 6901).")),
                    "parameter": text(gettext_lazy("Son nom, quand il est dans l'adresse.")),
                    "code": text(gettext_lazy("Le code : blank, invalid, inclusion, taken, too_long…")),
                    "detail": text(gettext_lazy("Ce qui ne va pas.")),
                    "did_you_mean": _NEAREST,
                    **{name: _FAILURE.properties[name] for name in _MORE},
                },
                optional=("pointer", "parameter", "did_you_mean", *_MORE),
            ),
            gettext_lazy("Chaque paramètre qui ne va pas."),
        ),
        "versions": _VERSIONS,
        "absence_ids": _ABSENCES,
    },
    optional=("hint", "resource", "errors", "versions", "absence_ids"),
)
