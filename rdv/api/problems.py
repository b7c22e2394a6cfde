"""The catalogue of what can go wrong: for each code that an answer may carry, what it means and what to do (row P3).

The page of a code (`/erreurs/<code>`), the `title` of an `application/problem+json` (RFC 9457) and the description of
the API are made of it. Each app declares its own codes, when it is set up. Pure: the exceptions are in `errors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Problem:
    """A code, the status of the answers that carry it, and three sentences for a person, in the language of whoever
    reads: what it is called, what it means, what to do. `of_a_value`: said of one parameter, within a 422. `example`:
    makes an error with it, where the registry of the operations has none.
    """

    code: str
    status: int
    title: Any
    explanation: Any
    remedy: Any
    of_a_value: bool = False
    example: Callable[[], Any] | None = None

    @property
    def path(self) -> str:
        """The address of its page on this server."""
        return f"{PAGES}/{self.code}"


PAGES = "/erreurs"
# By code.
PROBLEMS: dict[str, Problem] = {}


def declare(*problems: Problem) -> None:
    """Adds to the catalogue. A code means one thing."""
    for problem in problems:
        if PROBLEMS.setdefault(problem.code, problem) != problem:
            raise ValueError(f"the code {problem.code} has a meaning already")


declare(
    Problem(
        "bad_request",
        400,
        _("Requête illisible"),
        _(
            "Le serveur n'a pas pu lire la requête : JSON mal formé, corps incomplet, texte qui n'est pas de l'UTF-8, "
            "caractère nul."
        ),
        _(
            "Corrigez ce que « detail » désigne, et « hint » quand il indique la ligne et la colonne. La même requête,"
            " renvoyée telle quelle, échouera toujours."
        ),
    ),
    Problem(
        "conflicting_credentials",
        400,
        _("Deux identités dans une requête"),
        _(
            "La requête porte deux moyens d'identification différents, par exemple une clé et un jeton : le serveur ne"
            " choisit pas au hasard lequel compte."
        ),
        _("N'en envoyez qu'un. Cherchez celui que votre programme, votre session ou un proxy ajoute de lui-même."),
    ),
    Problem(
        "unknown_parameter",
        400,
        _("Paramètre inconnu"),
        _(
            "La requête demande à être lue strictement (Prefer: handling=strict) et porte un nom que l'opération ne "
            "connaît pas. Rien n'a été fait."
        ),
        _(
            "Corrigez le nom : le plus proche est proposé. Sans cette préférence, un nom inconnu est laissé de côté et "
            "nommé dans l'en-tête X-Unknown-Parameters."
        ),
    ),
    Problem(
        "unknown_version",
        400,
        _("Version inconnue"),
        _("L'en-tête X-API-Version nomme une version que ce serveur n'a pas."),
        _(
            "Choisissez une des versions de la liste « versions » de la réponse, ou retirez l'en-tête : la plus "
            "récente répondra."
        ),
    ),
    Problem(
        "bad_idempotency_key",
        400,
        _("Clé de nouvel essai illisible"),
        _(
            "L'en-tête Idempotency-Key ne peut pas être une clé : il est vide, dépasse 255 caractères ou contient des "
            "caractères de contrôle."
        ),
        _("Envoyez un identifiant tiré au hasard, par exemple un UUID, le même pour chaque essai de la même requête."),
    ),
    Problem(
        "unauthenticated",
        401,
        _("Identification nécessaire"),
        _(
            "La requête ne porte pas d'identification valable : il n'y en a pas, ou elle est expirée, révoquée ou "
            "inconnue. L'en-tête WWW-Authenticate dit pourquoi (error_description)."
        ),
        _("Connectez-vous de nouveau, ou vérifiez la clé que votre programme envoie et son échéance."),
    ),
    Problem(
        "forbidden",
        403,
        _("Droits insuffisants"),
        _("Ce que vous demandez existe, mais vos rôles ne vous y donnent pas accès."),
        _("Demandez à un administrateur de l'organisation le rôle ou le service qui manque. Rien n'a été modifié."),
    ),
    Problem(
        "insufficient_scope",
        403,
        _("La clé ne le permet pas"),
        _(
            "Vous avez ce droit, mais pas la clé utilisée : elle est en lecture seule, ou faite pour d'autres "
            "ressources."
        ),
        _(
            "Faites une clé dont la portée comprend cette action (page /cles), ou connectez-vous avec votre mot de "
            "passe pour gérer vos clés."
        ),
    ),
    Problem(
        "not_found",
        404,
        _("Introuvable"),
        _("L'adresse ne mène nulle part, ou ce qu'elle nomme n'existe pas ou plus."),
        _("Vérifiez l'adresse, la version qu'elle nomme et l'identifiant."),
    ),
    Problem(
        "method_not_allowed",
        405,
        _("Méthode refusée à cette adresse"),
        _("L'adresse existe, mais n'accepte pas cette méthode."),
        _("L'en-tête Allow nomme celles qui conviennent ; OPTIONS décrit l'adresse."),
    ),
    Problem(
        "idempotency_in_progress",
        409,
        _("Premier essai en cours"),
        _("Une requête de la même clé (Idempotency-Key) est en cours : sa réponse n'est pas encore connue."),
        _("Renvoyez la même requête après le nombre de secondes de l'en-tête Retry-After : vous aurez sa réponse."),
    ),
    Problem(
        "length_required",
        411,
        _("Longueur manquante"),
        _("Un formulaire a été envoyé sans annoncer sa longueur : on ne saurait pas s'il est arrivé entier."),
        _("Envoyez l'en-tête Content-Length, ou un corps JSON."),
    ),
    Problem(
        "precondition_failed",
        412,
        _("Modifié entre-temps"),
        _(
            "La fiche n'est plus dans l'état que l'en-tête If-Match nomme : quelqu'un l'a modifiée depuis que vous "
            "l'avez lue. Rien n'a été fait."
        ),
        _("Relisez la fiche, refaites votre modification sur ce qu'elle est devenue, avec son nouvel ETag."),
    ),
    Problem(
        "payload_too_large",
        413,
        _("Corps trop long"),
        _("Le corps de la requête dépasse ce que ce serveur lit."),
        _("Envoyez moins à la fois ; « detail » donne la limite en octets."),
    ),
    Problem(
        "unsupported_media_type",
        415,
        _("Type de corps non lu"),
        _(
            "La modification demandée se trouve dans un corps d'un type que le serveur ne lit pas : il n'en aurait "
            "rien fait."
        ),
        _("Envoyez Content-Type: application/json, ou un formulaire."),
    ),
    Problem(
        "idempotency_key_reused",
        422,
        _("Clé d'une autre requête"),
        _(
            "Une autre requête a déjà cette clé (Idempotency-Key) : une autre adresse, un autre corps ou d'autres "
            "en-têtes. Rien n'a été fait."
        ),
        _("Prenez une nouvelle clé pour chaque nouvelle requête ; gardez la même pour la renvoyer telle quelle."),
    ),
    Problem(
        "invalid_parameters",
        422,
        _("Des paramètres ne conviennent pas"),
        _(
            "La requête a été comprise, mais une ou plusieurs valeurs manquent ou ne conviennent pas. Toutes sont "
            "dites à la fois, chacune avec son code. Rien n'a été modifié."
        ),
        _("Corrigez chaque paramètre que « errors » désigne ; la page de chaque code dit comment."),
    ),
    Problem(
        "precondition_required",
        428,
        _("État de la fiche à préciser"),
        _(
            "Ce serveur veut savoir quel état d'une fiche vous avez lu avant de la modifier ou de la supprimer, pour "
            "que personne n'efface ce qu'un autre vient d'écrire."
        ),
        _("Lisez la fiche, et envoyez son ETag dans l'en-tête If-Match."),
    ),
    Problem(
        "too_many_requests",
        429,
        _("Trop de requêtes"),
        _(
            "Il y a eu trop d'essais en peu de temps : connexions échouées pour un même compte, ou demandes de "
            "courriel."
        ),
        _("Attendez le nombre de secondes de l'en-tête Retry-After avant de recommencer."),
    ),
    Problem(
        "internal_server_error",
        500,
        _("Erreur du serveur"),
        _("Le serveur a rencontré une erreur qui est la sienne. Son journal la décrit ; la réponse n'en dit rien."),
        _(
            "Signalez-la à l'administrateur du serveur, avec l'identifiant de la requête (X-Request-Id). Avant de "
            "renvoyer une modification, vérifiez si elle a été faite."
        ),
    ),
    Problem(
        "service_unavailable",
        503,
        _("Serveur très sollicité"),
        _("Le serveur reçoit plus de demandes qu'il ne peut en traiter à temps. Rien n'a été fait."),
        _("Renvoyez la même requête après le nombre de secondes de l'en-tête Retry-After."),
    ),
    Problem(
        "database_unavailable",
        503,
        _("Base de données injoignable"),
        _("La base de données ne répond pas. Une modification demandée a été faite entièrement, ou pas du tout."),
        _("Attendez (Retry-After). Avant de renvoyer une modification, vérifiez si elle a été faite."),
    ),
    Problem(
        "identity_provider_unavailable",
        503,
        _("Fournisseur d'identité injoignable"),
        _(
            "Le jeton envoyé vient d'un fournisseur d'identité dont les clés ne sont pas disponibles en ce moment. "
            "Rien n'a été fait."
        ),
        _("Renvoyez la même requête après le nombre de secondes de l'en-tête Retry-After."),
    ),
    Problem(
        "blank",
        422,
        _("Valeur manquante"),
        _("Un paramètre obligatoire manque, est vide ou vaut null ; ou il nomme ce qui n'existe pas et doit exister."),
        _("Donnez une valeur à ce paramètre."),
        of_a_value=True,
    ),
    Problem(
        "invalid",
        422,
        _("Valeur illisible"),
        _(
            "La valeur ne peut pas être lue, ou n'est pas de la forme attendue : une date qui n'existe pas, une heure,"
            " une adresse de courriel. « value » répète ce qui a été envoyé ; « format » dit la forme attendue, quand "
            "il y en a une."
        ),
        _("Écrivez la valeur sous la forme attendue, par exemple 2026-12-23 pour une date ou 09:30 pour une heure."),
        of_a_value=True,
    ),
    Problem(
        "inclusion",
        422,
        _("Valeur hors de la liste"),
        _("La valeur n'est pas une de celles qui sont permises ici."),
        _("Choisissez une valeur permise ; la documentation de l'adresse les nomme."),
        of_a_value=True,
    ),
    Problem(
        "taken",
        422,
        _("Déjà utilisé"),
        _("Une autre fiche a déjà cette valeur, qui doit être unique."),
        _("Choisissez une autre valeur, ou modifiez la fiche qui l'a."),
        of_a_value=True,
    ),
    Problem(
        "too_long",
        422,
        _("Texte trop long"),
        _("Le texte dépasse la longueur permise, que « count » donne en caractères."),
        _("Raccourcissez-le."),
        of_a_value=True,
    ),
    Problem(
        "reason_required",
        422,
        _("Motif obligatoire"),
        _("Ce serveur veut que chaque modification dise pourquoi elle est faite, et celle-ci ne le dit pas."),
        _("Ajoutez le motif à l'adresse : ?reason=…"),
        of_a_value=True,
    ),
    Problem(
        "api_disabled",
        403,
        _("API désactivée"),
        _("L'administrateur de ce serveur y a désactivé l'API."),
        _("Adressez-vous à l'administrateur du serveur : réessayer n'y changera rien."),
    ),
)
