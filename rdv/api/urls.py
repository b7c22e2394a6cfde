"""Forgiving addresses: with or without a final slash or `.json`, no redirect (contract 1.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.urls import re_path
from django.urls.resolvers import URLPattern


def address(route: str, view: Callable[..., Any], *, also: str = "") -> URLPattern:
    """A route such as `absences/<pk>`, in each of the forms that clients use; `also`: another ending, as `ics`."""
    pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+?)", route)
    endings = rf"\.(?:json|{also})" if also else r"\.json"
    return re_path(rf"^{pattern}(?:{endings})?/?\Z", view, name=route)
