"""What can go wrong with who: signing in, keys, passwords."""

from django.utils.translation import gettext_lazy as _

from rdv.api.problems import Problem

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
    ),
    Problem(
        "passwords_missing",
        422,
        _("Mot de passe ou confirmation manquant"),
        _("Un changement de mot de passe demande le nouveau mot de passe deux fois."),
        _("Envoyez password et password_confirmation."),
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
            "Ce qu'une clé permet ne change plus une fois qu'elle est faite : seuls son nom, sa note et son état "
            "changent."
        ),
        _("Faites une autre clé, et supprimez celle-ci."),
        of_a_value=True,
    ),
    Problem(
        "empty",
        422,
        _("Liste vide"),
        _("Une liste vide n'ouvrirait rien : la clé ne servirait à personne."),
        _("Nommez au moins un élément, ou laissez le paramètre de côté : il vaut alors pour tous."),
        of_a_value=True,
    ),
    Problem(
        "end_required",
        422,
        _("Échéance obligatoire"),
        _("Ce serveur ne permet pas de clés sans fin."),
        _("Choisissez une échéance : 7, 30, 60 ou 90 jours, ou une date."),
        of_a_value=True,
    ),
    Problem(
        "past",
        422,
        _("Dans le passé"),
        _("Le moment donné est passé : la clé serait expirée avant de servir."),
        _("Donnez un moment à venir."),
        of_a_value=True,
    ),
)
