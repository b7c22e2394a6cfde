"""The words and codes of the failures that every resource shares (contract 1.10). Pure: models speak them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

BLANK = gettext_lazy("doit être rempli(e)")
MUST_EXIST = gettext_lazy("doit exister")
TAKEN = gettext_lazy("est déjà utilisé")
INVALID = gettext_lazy("n'est pas valide")
NOT_INCLUDED = gettext_lazy("n'est pas inclus(e) dans la liste")
TOO_LONG = gettext_lazy("est trop long (pas plus de %(count)s caractères)")


def blank(message: Any = BLANK, parameter: str | None = None) -> ValidationError:
    """The failure of a value that is missing or empty; `parameter`: the one to send, where the failure is shown under
    another name.
    """
    return ValidationError(message, code="blank", params={"parameter": parameter} if parameter else None)


def inclusion(value: Any) -> ValidationError:
    """The failure of a value that is not one of those allowed."""
    return ValidationError(NOT_INCLUDED, code="inclusion", params={"value": value})


def invalid(value: Any, message: Any = INVALID, **extra: Any) -> ValidationError:
    """The failure of a value that cannot be read, with the value as it was sent."""
    return ValidationError(message, code="invalid", params={"value": value} | extra)


def not_among(name: Any, allowed: Iterable[str]) -> ValidationError:
    """The failure of a name that is none of `allowed`, which are told."""
    known = list(allowed)
    # Said when it is read: an example of it is kept, and read in both languages.
    message = lazy(lambda: _("n'est pas inclus(e) dans la liste : %(names)s") % {"names": ", ".join(known)}, str)()
    shown = name[:100] if isinstance(name, str) else name
    return ValidationError(message, code="inclusion", params={"value": shown, "allowed": known})
