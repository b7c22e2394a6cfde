"""What can go wrong with who: signing in, keys, passwords."""

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid, Refusal
from rdv.api.problems import Problem

from .authentication.credential import NotGranted
from .models import AccessKey


def _of_one(name: str, message: Any, code: str) -> Invalid:
    return Invalid({name: [ValidationError(message, code=code)]})


PROBLEMS = (
    Problem(
        "bad_credentials",
        401,
        _("Mot de passe ou identifiant invalide"),
        _("Aucun compte n'a cet identifiant et ce mot de passe. Le serveur ne dit pas lequel des deux est faux."),
        _(
            "Vérifiez l'adresse et le mot de passe, ou demandez un nouveau mot de passe. Après dix échecs, il faut "
            "attendre."
        ),
    ),
    Problem(
        "account_not_confirmed",
        401,
        _("Compte à confirmer"),
        _("Le mot de passe est bon, mais le compte n'est pas encore confirmé, ou a été désactivé."),
        _("Suivez le lien du courriel de confirmation, ou demandez à un administrateur d'activer le compte."),
        example=lambda: Refusal(401, "account_not_confirmed", _("Vous devez d'abord confirmer votre compte.")),
    ),
    Problem(
        "redirect_url_missing",
        401,
        _("Adresse de retour manquante"),
        _("Une demande de nouveau mot de passe doit dire où renvoyer le navigateur ensuite."),
        _("Ajoutez le paramètre redirect_url."),
    ),
    Problem(
        "email_missing",
        401,
        _("Adresse de courriel manquante"),
        _("Une demande de nouveau mot de passe doit dire pour quelle adresse."),
        _("Ajoutez le paramètre email."),
        example=lambda: Refusal(401, "email_missing", _("Vous devez soumettre un e-mail.")),
    ),
    Problem(
        "not_granted",
        403,
        _("Pas d'autorisation d'agir pour cet agent"),
        _(
            "Un compte d'API n'agit que pour les agents qui lui ont été nommés ; et personne d'autre qu'un compte "
            "d'API n'agit pour un autre (X-RDV-Act-For)."
        ),
        _("Demandez à un administrateur d'ajouter l'autorisation au compte, ou retirez l'en-tête."),
        example=NotGranted,
    ),
    Problem(
        "key_creation_disabled",
        403,
        _("Création de clés désactivée"),
        _("L'administrateur de ce serveur y a désactivé la création de clés. Celles qui existent restent bonnes."),
        _("Utilisez une clé qui existe, ou adressez-vous à l'administrateur du serveur."),
    ),
    Problem(
        "password_sign_in_disabled",
        403,
        _("Connexion par mot de passe désactivée"),
        _("L'administrateur de ce serveur y a désactivé la connexion par mot de passe."),
        _("Connectez-vous par le fournisseur d'identité de votre agence, ou utilisez une clé."),
    ),
    Problem(
        "not_signed_in",
        404,
        _("Personne à déconnecter"),
        _("Les jetons envoyés ne sont pas, ou plus, ceux de quelqu'un de connecté."),
        _("Rien à faire : si vous vouliez vous déconnecter, vous l'êtes."),
    ),
    Problem(
        "redirect_not_allowed",
        422,
        _("Adresse de retour refusée"),
        _(
            "Après un changement de mot de passe, ce serveur ne renvoie le navigateur qu'à lui-même ou aux adresses "
            "que son administrateur a nommées."
        ),
        _("Utilisez une adresse permise, ou demandez à l'administrateur d'ajouter la vôtre (RDV_REDIRECT_ORIGINS)."),
    ),
    Problem(
        "password_not_used",
        422,
        _("Compte sans mot de passe"),
        _("Ce compte se connecte par un fournisseur d'identité : il n'a pas de mot de passe à changer ici."),
        _("Changez-le chez le fournisseur d'identité, que « detail » nomme."),
        example=lambda: Refusal(
            422,
            "password_not_used",
            _("Ce compte ne demande pas de mot de passe. Connectez vous en utilisant '%(provider)s'.")
            % {"provider": "inclusionconnect"},
        ),
    ),
    Problem(
        "passwords_missing",
        422,
        _("Mot de passe ou confirmation manquant"),
        _("Un changement de mot de passe demande le nouveau mot de passe deux fois."),
        _("Envoyez password et password_confirmation."),
        example=lambda: Refusal(
            422,
            "passwords_missing",
            _("Vous devez remplir les champs 'Mot de passe' et 'Confirmation de mot de passe'."),
        ),
    ),
    Problem(
        "invalid_password",
        422,
        _("Mot de passe refusé"),
        _(
            "Le nouveau mot de passe n'est pas assez sûr, ou sa confirmation diffère. « errors » dit chaque règle qui "
            "n'est pas tenue."
        ),
        _(
            "Choisissez un mot de passe d'au moins 12 caractères, avec un chiffre, une majuscule et un caractère "
            "spécial, et qui ne soit pas courant."
        ),
    ),
    Problem(
        "mismatch",
        422,
        _("Confirmation différente"),
        _("La confirmation n'est pas le mot de passe."),
        _("Écrivez deux fois le même mot de passe."),
        of_a_value=True,
    ),
    Problem(
        "fixed",
        422,
        _("Ne se modifie pas"),
        _(
            "Ce qu'une clé permet, et de qui est un calendrier, ne change plus une fois fait : leurs autres propriétés "
            "changent."
        ),
        _("Faites-en un autre, et supprimez celui-ci."),
        of_a_value=True,
        example=lambda: _of_one("read_only", _("ne peut plus être modifié : créez une autre clé"), "fixed"),
    ),
    Problem(
        "empty",
        422,
        _("Liste vide"),
        _("Une liste vide n'ouvrirait rien : la clé ne servirait à personne."),
        _("Nommez au moins un élément, ou laissez le paramètre de côté : il vaut alors pour tous."),
        of_a_value=True,
        example=lambda: Invalid.about(AccessKey(resources=[])),
    ),
    Problem(
        "end_required",
        422,
        _("Échéance obligatoire"),
        _("Ce serveur ne permet pas de clés sans fin."),
        _("Choisissez une échéance : 7, 30, 60 ou 90 jours, ou une date."),
        of_a_value=True,
        example=lambda: _of_one(
            "expires_at", _("doit être choisi : les clés sans fin ne sont pas permises ici"), "end_required"
        ),
    ),
    Problem(
        "past",
        422,
        _("Dans le passé"),
        _("Le moment donné est passé : la clé serait expirée avant de servir."),
        _("Donnez un moment à venir."),
        of_a_value=True,
        example=lambda: Invalid.about(AccessKey(expires_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))),
    ),
)
