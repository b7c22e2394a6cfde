"""For whoever writes a program: what each error means, and which versions of the API there are. Open to anybody."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from rdv.api.errors import problem
from rdv.api.examples import example_of
from rdv.api.problems import PROBLEMS
from rdv.api.versioning import VERSIONS

from .base import Page

# Of a request that nobody made.
SOME_REQUEST = "3f0c9a52-1d6e-4b8e-9a57-6f1f0a7f4c1d"


class Problems(Page):
    """`/erreurs`: the codes that an answer may carry, by status; then those of one parameter."""

    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        known = sorted(PROBLEMS.values(), key=lambda one: (one.status, one.code))
        answers = [one for one in known if not one.of_a_value]
        context = {
            "statuses": [(status, list(ones)) for status, ones in groupby(answers, lambda one: one.status)],
            "values": [one for one in known if one.of_a_value],
        }
        return render(request, "agents/problems.html", context)


class Problem(Page):
    """`/erreurs/<code>`: what it means, what to do, and an answer that carries it in both forms."""

    public = True

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        known = PROBLEMS.get(code)
        if known is None:
            raise Http404
        error = example_of(code)
        context = {
            "problem": known,
            "plain": _shown(error.body() | ({"hint": error.hint} if error.hint else {})),
            "standard": _shown(problem(error, request, SOME_REQUEST)),
        }
        return render(request, "agents/problem.html", context)


class Versions(Page):
    """`/versions`: the versions of the API, and what is announced to end."""

    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        deprecations = [(version, one) for version in VERSIONS for one in version.deprecations()]
        return render(request, "agents/versions.html", {"versions": VERSIONS, "deprecations": deprecations})


def _shown(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)
