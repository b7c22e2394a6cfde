"""The action runner (row W5): every operation of the API, told and run from a page, as the agent who is signed in.

What is run goes through the API itself, with the session as its credential: so rights, limits, record and refusals are
those of the API. What an operation is, takes and answers comes from the registry alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from agents.authentication import SessionAuthentication, SessionCredential
from agents.models import Agent
from rdv.api import lines, within
from rdv.api.client import origin
from rdv.api.errors import InsufficientScope
from rdv.api.folding import fold
from rdv.api.middleware import FIXED_HEADERS
from rdv.api.problems import PROBLEMS
from rdv.api.registry import Operation, operations

from .base import Page
from .keys import fresh, is_fresh, spend
from .parameters import ParametersForm, Sent, filled, is_secret, prose

LONGEST_SHOWN = 100_000  # characters of an answer
RUN, PREPARE = "run", "prepare"
LANGUAGE, KEY_FOR_RETRIES = "Accept-Language", "Idempotency-Key"
# Of an answer; what each one has is in a drawer.
SELDOM_READ = frozenset(
    name.lower()
    for name in (
        *FIXED_HEADERS,
        *("Allow", "Cache-Control", "Content-Length", "Cross-Origin-Opener-Policy", "Vary", "X-Runtime"),
    )
)


class Operations(Page):
    """`/operations`, by group; `q` finds some."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("q", "").strip()[:100]
        words = fold(asked).split()
        found = [one for one in operations().values() if all(word in _searched(one) for word in words)]
        groups: dict[str, dict[str, Any]] = {}
        for one in found:
            group = groups.setdefault(one.group.name, {"title": one.group.title, "about": prose(one.group.about)})
            group.setdefault("operations", []).append(_line(one))
        context = {"asked": asked, "groups": groups.values(), "count": len(found)}
        return render(request, "agents/operations.html", context)


@method_decorator(sensitive_post_parameters(), "dispatch")
class OperationPage(Page):
    """`/operations/<id>`: what it does, and its form; `exemple` fills one of its examples in. Sent, the form shows the
    request as lines to copy, and runs it when that is asked for. Nothing of it is in an address.
    """

    operation: Operation

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.found = operations().get(kwargs["id"])

    def get(self, request: HttpRequest, id: str) -> HttpResponse:
        operation = self._operation()
        number = request.GET.get("exemple", "")
        examples = operation.described.examples
        arguments = examples[int(number)].arguments if number in map(str, range(len(examples))) else {}
        form = ParametersForm(operation, initial=self._usual() | filled(operation, arguments))
        return self._show(form, form.sent())

    def post(self, request: HttpRequest, id: str) -> HttpResponse:
        operation = self._operation()
        form = ParametersForm(operation, request.POST)
        runs = request.POST.get("do") == RUN and not why_not_run(operation)
        right = form.is_valid()
        sent = form.sent()
        if not runs:
            return self._show(form, sent, status=200 if right else 422)
        if operation.method == "DELETE" and not request.POST.get("confirmed"):
            form.add_error(None, _("Cochez la case qui confirme : cela ne se défait pas."))
            right = False
        if not right:
            return self._show(form, sent, status=422)
        if not operation.reads:
            # Loading the answer anew does nothing a second time.
            if not is_fresh(request.session, request.POST.get("once", "")):
                messages.info(request, _("Ce formulaire a déjà servi : rien n'a été refait. Exécutez-le de nouveau."))
                return self._show(form, sent)
            spend(request.session, request.POST["once"])
        answer = self._run(sent, request.POST.get("once", ""))
        for name, sentence in answer["failures"]:
            if name in form.fields:
                form.add_error(name, sentence)
        return self._show(form, sent, answer)

    def _operation(self) -> Operation:
        if self.found is None:
            raise Http404
        return self.found

    def _usual(self) -> dict[str, str]:
        """Sentences are French unless one says otherwise."""
        language = get_language()
        return {} if language == settings.LANGUAGE_CODE else {LANGUAGE: language}

    def _run(self, sent: Sent, once: str) -> dict[str, Any]:
        """The answer. A form that comes twice at once is run once, where the operation takes a key for that."""
        operation, request = self._operation(), self.request
        headers = sent.headers
        if once and KEY_FOR_RETRIES in {one.name for one in operation.parameters} - {name for name, _text in headers}:
            headers = [*headers, (KEY_FOR_RETRIES, once)]
        agent = Agent.objects.get(pk=request.user.pk)
        started = time.perf_counter()
        response: Any = within.ask(
            request,
            operation.method,
            _address(operation, sent),
            headers=headers,
            body=json.dumps(sent.body).encode() if _has_body(operation) else None,
            session_credential=None if operation.public else SessionCredential(request.session, agent),
        )
        return _answer(response, (time.perf_counter() - started) * 1000)

    def _show(
        self, form: ParametersForm, sent: Sent, answer: dict[str, Any] | None = None, status: int = 200
    ) -> HttpResponse:
        operation = self._operation()
        asked = _asked(self.request, operation, sent)
        why = why_not_run(operation)
        runs = not why
        context = {
            **_line(operation),
            "operation": operation,
            "about": prose(operation.described.about),
            "rights": prose(operation.described.rights),
            "limits": prose(operation.described.limits),
            "errors": _errors(operation),
            "same": operation.methods[1:],
            "form": form,
            "examples": [
                {
                    "number": number,
                    "about": one.about,
                    "values": filled(operation, one.arguments),
                    "script": f"example-{number}",
                }
                for number, one in enumerate(operation.described.examples)
            ],
            "why_not_run": why,
            "deletes": operation.method == "DELETE",
            "once": fresh(self.request.session) if runs and not operation.reads else "",
            "answer": answer,
            "lines": {"HTTPie": lines.httpie(asked), "curl": lines.curl(asked), "Python": lines.python(asked)},
            "variables": [*(variable for _before, variable in asked.credential.values()), *asked.secrets.values()],
            "api_is_off": not settings.RDV_API,
        }
        return render(self.request, "agents/operation.html", context, status=status)


def why_not_run(operation: Operation) -> str:
    """Why this page does not run it; "" when it does."""
    if any(map(is_secret, operation.parameters)):
        return _("Elle demande un mot de passe : il ne se donne que pour se connecter, et pas ici.")
    if not operation.public and SessionAuthentication not in operation.view.authentication_classes:
        return _("Elle ne connaît que le triplet d'une connexion par l'API, et non celle de ce navigateur.")
    if not any(200 <= status < 300 for status in operation.answers):
        return _("Elle s'ouvre depuis un courriel, et mène ailleurs.")
    return ""


# In words.


def _line(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "summary": operation.described.summary,
        "method": operation.method,
        "path": operation.path,
        "public": operation.public,
    }


def _searched(operation: Operation) -> str:
    described = operation.described
    words = (operation.id, operation.method, operation.path, described.summary, described.about, operation.group.title)
    return fold(" ".join(map(str, words)))


def _errors(operation: Operation) -> list[tuple[int, str, list[Any]]]:
    """By status, the codes that the catalogue knows."""
    codes = {(error.status_code, error.code) for error in operation.errors}
    return [
        (status, HTTPStatus(status).phrase, [PROBLEMS[code] for _status, code in ones if code in PROBLEMS])
        for status, ones in groupby(sorted(codes), lambda one: one[0])
    ]


def _asked(request: HttpRequest, operation: Operation, sent: Sent) -> lines.Asked:
    secrets = {one.name: one.name.upper() for one in operation.parameters if is_secret(one)}
    return lines.Asked(
        operation.method,
        origin(request) + within.path_with(operation.path, _path(operation, sent)),
        sent.query,
        sent.headers,
        sent.body | dict.fromkeys(secrets, "") if _has_body(operation) else None,  # whatever was typed
        _credential(operation),
        secrets,
    )


def _credential(operation: Operation) -> lines.Headers:
    """A key where one will do. Where the operation itself, and not the scope of the key, refuses, none will."""
    ways = {way.name for way in operation.ways}
    no_key = any(isinstance(error, InsufficientScope) for error in operation.described.errors)
    if "bearer" in ways and not no_key:
        return lines.WITH_KEY
    return lines.WITH_TRIPLE if ways else {}


def _path(operation: Operation, sent: Sent) -> dict[str, str]:
    """Its parameters in the address; where none is given, the one of the example."""
    examples = {
        one.name: str(one.schema.get("example", 1))  # type: ignore[union-attr]
        for one in operation.parameters
        if one.place == "path"
    }
    return examples | sent.path


def _address(operation: Operation, sent: Sent) -> str:
    path = within.path_with(operation.path, sent.path)
    return f"{path}?{urlencode(sent.query)}" if sent.query else path


def _has_body(operation: Operation) -> bool:
    return any(one.place == "body" for one in operation.parameters)


def _answer(response: Any, milliseconds: float) -> dict[str, Any]:
    """What is shown of an answer."""
    body = b"".join(response) if response.streaming else response.content
    text = body.decode(errors="replace")
    document = None
    if "json" in response.get("Content-Type", ""):
        document = json.loads(text)
        text = json.dumps(document, indent=2, ensure_ascii=False)
    headers = [(name, value) for name, value in response.items() if name.lower() not in SELDOM_READ]
    refused = response.status_code >= 400
    return {
        "status": response.status_code,
        "reason": response.reason_phrase,
        "refused": refused,
        "milliseconds": round(milliseconds),
        "headers": sorted(headers),
        "others": sorted(one for one in response.items() if one not in headers),
        "body": text[:LONGEST_SHOWN],
        "left_out": max(0, len(text) - LONGEST_SHOWN),
        "codes": [PROBLEMS[code] for code in dict.fromkeys(_codes(document))] if refused else [],
        "failures": list(_failures(document)) if refused else [],
    }


def _codes(document: Any) -> Iterator[str]:
    """The codes in the body of an error, wherever they are."""
    if isinstance(document, dict):
        for value in document.values():
            yield from _codes(value)
    elif isinstance(document, list):
        for value in document:
            yield from _codes(value)
    elif isinstance(document, str) and document in PROBLEMS:
        yield document


def _failures(document: Any) -> Iterable[tuple[str, str]]:
    """Of a record that is invalid: which parameter, and the sentence without its name."""
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, dict):
        return
    for sentence in document.get("error_messages", ()):
        name, _space, rest = sentence.partition(" ")
        if name in errors and rest:
            yield name, rest
