"""A file of absences brought in from a page: looked at first, then taken (row A23).

What is done goes through the API itself, as the agent who is signed in, so that the page knows no rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from agents.authentication import SessionCredential
from agents.models import Agent
from agents.pages.base import Page
from agents.pages.keys import fresh, is_fresh, spend
from rdv.api import within
from rdv.api.fields import DateField, TimeField

from .importing import Sheet, decoded
from .shapes import CREATED, MERGED, UNCHANGED, UPDATED

IMPORT = "/api/v1/absences/import"
SHOWN = 200  # lines of a table; more are counted


class Import(Page):
    """`/absences/importer`: a file is checked, and what would become of it is shown; then it is taken."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show({})

    def post(self, request: HttpRequest) -> HttpResponse:
        agent = request.POST.get("agent", "").strip()
        if request.POST.get("do") == "take":
            return self._take(request.POST.get("content", ""), agent)
        upload = request.FILES.get("file")
        if upload is None or not upload.size:
            return self._show({"agent": agent, "problem": _("Choisissez un fichier qui n'est pas vide.")}, 422)
        sheet = Sheet()
        content = decoded(upload.read(), sheet)
        if content is None:
            lines = [
                {"line": one.line, "field": one.field, "reason": one.failure.messages[0]} for one in sheet.refusals
            ]
            return self._show({"agent": agent, "name": upload.name, "refusals": lines}, 422)
        status, body = self._ask(content, agent, dry_run=True)
        context = {"agent": agent, "name": upload.name} | _told(status, body)
        if status == 200:
            context |= {"content": content, "once": fresh(request.session)}
        return self._show(context, 200 if status == 200 else 422)

    def _take(self, content: str, agent: str) -> HttpResponse:
        once = self.request.POST.get("once", "")
        if not is_fresh(self.request.session, once):
            messages.info(self.request, _("Ce fichier a déjà été importé. Rien n'a été refait."))
            return redirect("import_absences")
        status, body = self._ask(content, agent, dry_run=False, key=once)
        if status != 200:
            return self._show({"agent": agent} | _told(status, body), 422)
        spend(self.request.session, once)
        return self._show({"done": True} | _told(status, body))

    def _ask(self, content: str, agent: str, *, dry_run: bool, key: str = "") -> tuple[int, Mapping[str, Any]]:
        sent = {"file": content, "dry_run": dry_run} | ({"agent_email": agent} if agent else {})
        headers = [("Accept-Language", get_language() or "fr")]
        if key:
            headers.append(("Idempotency-Key", key))
        caller = Agent.objects.get(pk=self.request.user.pk)
        response: Any = within.ask(
            self.request,
            "POST",
            IMPORT,
            headers=headers,
            body=json.dumps(sent, ensure_ascii=False).encode(),
            session_credential=SessionCredential(self.request.session, caller),
        )
        return response.status_code, json.loads(response.content)

    def _show(self, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
        return render(self.request, "absences/import.html", dict(context), status=status)


def _told(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of an answer of the API."""
    refusals = body.get("refusals", ())
    if status != 200:
        if refusals:
            return {
                "refusals": refusals[:SHOWN],
                "more": max(0, len(refusals) - SHOWN) + body.get("refusals_left_out", 0),
            }
        sentences = body.get("error_messages") or [one for one in body.get("errors", ()) if isinstance(one, str)]
        return {"problem": " ".join(sentences) or _("Le fichier n'a pas pu être lu.")}
    verdicts = body["verdicts"]
    rows = [_row(line, verdict) for line, verdict in zip(body["lines"][:SHOWN], verdicts[:SHOWN], strict=True)]
    counts = {_result(name): body["meta"][name] for name in (CREATED, UPDATED, UNCHANGED, MERGED)}
    return {
        "rows": rows,
        "more": max(0, len(verdicts) - SHOWN),
        "counts": {name: count for name, count in counts.items() if count},
        "ignored": body["ignored_columns"],
    }


def _row(line: int, verdict: Mapping[str, Any]) -> dict[str, Any]:
    absence = verdict["body"]["absence"]
    agent = absence["agent"]
    name = " ".join(filter(None, (agent["first_name"], agent["last_name"]))) or agent["email"] or agent["id"]
    told = [one["message"] for one in verdict["body"].get("warnings", ())]
    return {
        "line": line,
        "agent": name,
        "title": absence["title"],
        "starts": _moment(absence["first_day"], absence["start_time"]),
        "ends": _moment(absence["end_day"], absence["end_time"]),
        "again": bool(absence["rrule"]),
        "result": _result(verdict["result"]),
        "told": told,
    }


def _moment(day: str, time: str) -> str:
    civil = DateField().to_internal_value(day)
    return (
        f"{date_format(civil, 'SHORT_DATE_FORMAT')} {date_format(TimeField().to_internal_value(time), 'TIME_FORMAT')}"
    )


def _result(name: str) -> str:
    return {
        CREATED: _("à créer ou créée"),
        UPDATED: _("modifiée"),
        UNCHANGED: _("inchangée"),
        MERGED: _("réunie à une autre"),
    }[name]
