"""What a password that an agent chooses must be (contract 2.8), as Django validators; the messages are exact."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    BCryptSHA256PasswordHasher,
    PBKDF2PasswordHasher,
)
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from rdv.api.turns import aside

from .emails import normalise_email

FRENCH_LIST = Path(__file__).with_name("common_passwords_fr.txt")


class _Aside(BasePasswordHasher):
    """Hashes while other requests have their turn: it is slow by intent."""

    def encode(self, password: str, salt: str, *args: Any) -> str:
        return aside(super().encode, password, salt, *args)

    def verify(self, password: str, encoded: str) -> bool:
        return aside(super().verify, password, encoded)


class OwaspArgon2Hasher(_Aside, Argon2PasswordHasher):
    """Argon2id with the parameters that OWASP recommends: 19 MiB, 2 passes, 1 lane. Older hashes follow at sign-in."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1


class OlderPBKDF2Hasher(_Aside, PBKDF2PasswordHasher):
    pass


class OlderBCryptHasher(_Aside, BCryptSHA256PasswordHasher):
    pass


class _Rule:
    """A password rule: refused when `broken`."""

    message: Any
    asked: Any  # the rule, said to somebody who has not broken it
    code = "invalid"

    def broken(self, password: str) -> bool:
        raise NotImplementedError

    def validate(self, password: str, user: object | None = None) -> None:
        if self.broken(password):
            raise ValidationError(self.message, code=self.code)

    def get_help_text(self) -> str:
        return str(self.asked)


class LongEnough(_Rule):
    message = _("Pour assurer la sécurité de votre compte, votre mot de passe doit faire au moins 12 caractères")
    asked = _("Au moins 12 caractères.")

    def broken(self, password: str) -> bool:
        return len(password) < 12


class NotTooLong(_Rule):
    message = _("est trop long (pas plus de 128 caractères)")
    asked = _("Pas plus de 128 caractères.")

    def broken(self, password: str) -> bool:
        return len(password) > 128


class HasDigit(_Rule):
    message = _("Votre mot de passe doit comporter au moins un chiffre.")
    asked = _("Au moins un chiffre.")

    def broken(self, password: str) -> bool:
        return not any(character.isdigit() for character in password)


class HasUpperCase(_Rule):
    message = _("Votre mot de passe doit comporter au moins une majuscule.")
    asked = _("Au moins une majuscule.")

    def broken(self, password: str) -> bool:
        return not any(character.isupper() for character in password)


class HasSpecialCharacter(_Rule):
    message = _("Votre mot de passe doit comporter au moins un caractère spécial, par exemple un signe de ponctuation.")
    asked = _("Au moins un caractère spécial, par exemple un signe de ponctuation.")

    def broken(self, password: str) -> bool:
        return re.search(r"\W", password) is None


class NotCommon(_Rule):
    """Neither a common password nor one dressed up: `Motdepasse2026!` is `motdepasse`."""

    message = _(
        "Ce mot de passe fait partie d'une liste de mots de passe fréquemment utilisés et ne permet donc pas "
        "d'assurer la sécurité de votre compte. Veuillez en choisir un autre."
    )
    asked = _("Pas un mot de passe courant.")

    def __init__(self) -> None:
        french = set(FRENCH_LIST.read_text(encoding="utf-8").split())
        self.common = french | CommonPasswordValidator().passwords

    def broken(self, password: str) -> bool:
        folded = password.lower().strip()
        return folded in self.common or re.sub(r"[\W\d_]+$|^[\W\d_]+", "", folded) in self.common


def typed_email(request: object, credentials: dict[str, str] | None = None) -> str:
    """Under which name failed sign-ins are counted: the email as it is compared, wherever it was typed."""
    return normalise_email((credentials or {}).get("username") or "")[:254]
