"""The shapes of what is told of many absences at once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from rdv.api.errors.bodies import CODED, INVALID_RECORD, MISSING
from rdv.api.schema import Shape, any_of, array, choice, flag, integer, named, nullable, obj, text

from .serializers import ABSENCE, with_warnings

CREATED, UPDATED, UNCHANGED, MERGED, REFUSED = "created", "updated", "unchanged", "merged", "refused"
RESULTS = (CREATED, UPDATED, UNCHANGED, MERGED, REFUSED)

# An absence of a dry run has no number, and what is made of it.
NUMBERED = ("id", "ical", "ical_uid", "url")
NOT_WRITTEN = Shape(
    "AbsenceNotWritten",
    _("Une absence telle qu'elle serait : sans ce qui n'existe qu'une fois enregistré."),
    {
        **ABSENCE.shape.properties,
        **{name: nullable(ABSENCE.shape.properties[name]) for name in NUMBERED},
    },
    tuple(ABSENCE.shape.properties),
)
VERDICT = Shape(
    "Verdict",
    _("Ce qu'il est advenu d'une absence demandée."),
    {
        "index": integer(_("Sa place dans la demande, à partir de 0.")),
        "status": integer(_("Le statut qu'aurait eu la demande de celle-ci seule.")),
        "result": choice(*RESULTS, about=_("Ce qui a été fait.")),
        "body": {
            "description": _("La réponse qu'aurait eue la demande de celle-ci seule."),
            **any_of(
                with_warnings(named({"absence": any_of(ABSENCE.shape, NOT_WRITTEN)})),
                INVALID_RECORD,
                CODED,
                MISSING,
            ),
        },
    },
)
COUNTS = obj(
    _("Combien, de chaque sorte."),
    total=integer(),
    atomic=flag(),
    dry_run=flag(),
    **{result: integer() for result in RESULTS},
)
NOT_TAKEN = Shape(
    "Refusal",
    VERDICT.about,
    VERDICT.properties,
    optional=("body",),
)
REFUSALS = array(
    Shape(
        "RefusedLine",
        _("Ce qui ne va pas dans une ligne d'un fichier."),
        {
            "line": integer(_("Son numéro, à partir de 1.")),
            "field": text(_("La colonne ou la propriété, telle que le fichier la nomme ; vide : toute la ligne.")),
            "error": text(_("Le code, le même dans toutes les langues.")),
            "reason": text(_("Ce qui ne va pas.")),
        },
    ),
    _("Chaque défaut du fichier, dans l'ordre des lignes."),
)
LEFT_OUT = integer(_("Combien d'autres défauts ne sont pas dits : au-delà de 1 000, ils ne sont que comptés."))
LINES = array(integer(), _("La ligne du fichier où commence chacune, dans l'ordre de `verdicts`."))
IGNORED = array(text(), _("Les colonnes du fichier qui ne disent rien d'une absence."))
BATCH_REFUSED = Shape(
    "BatchRefused",
    _("Ce qui ne va pas dans un lot dont rien n'a été fait."),
    {
        **INVALID_RECORD.properties,
        "verdicts": array(NOT_TAKEN),
        "meta": COUNTS,
        "refusals": REFUSALS,
        "refusals_left_out": LEFT_OUT,
        "lines": LINES,
        "ignored_columns": IGNORED,
    },
    optional=("hint", "refusals", "refusals_left_out", "lines", "ignored_columns"),
)
