"""The pages of absences."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.base import HouseAdmin, HouseInline, LinkFilter, RowForm
from agents.models import Agent, Organisation
from agents.models.privacy import MAY_KNOW, Concealing
from rdv.api.folding import fold
from rdv.api.times import PARIS

from .feeds import admin as _of_feeds  # noqa: F401 - registers its page
from .holidays import names as holiday_names
from .models import Absence, AbsencePolicy, DeletedAbsence, Kind, Overlapping
from .models.overlaps import OVERLAPS, settle_one
from .policies import rules_of

for whose, parameter in ((Agent, "agent"), (Organisation, "organisation")):
    admin.site.get_model_admin(whose).lists += ((_("absences"), "absences_absence", parameter),)


class OfAgent(LinkFilter):
    title = _("agent")
    parameter_name = "agent"
    model = Agent

    def narrow(self, queryset: Any, chosen: Agent) -> Any:
        return queryset.filter(agent=chosen)


class OfOrganisation(LinkFilter):
    """As on the API's list: of its agents, kept for it or for all of theirs."""

    title = _("organisation")
    parameter_name = "organisation"
    model = Organisation

    def narrow(self, queryset: Any, chosen: Organisation) -> Any:
        return queryset.of_organisation(Organisation.objects.filter(pk=chosen.pk))


class PeriodFilter(admin.SimpleListFilter):
    """By spans that an index serves; a hierarchy of dates would read every row."""

    title = _("période")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("now", _("En ce moment")),
            ("week", _("Les 7 jours à venir")),
            ("month", _("Les 30 jours à venir")),
            ("future", _("À venir")),
            ("past", _("Terminées")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now().astimezone(PARIS).replace(tzinfo=None)
        match self.value():
            case "now":
                return queryset.overlapping(now, now)
            case "week":
                return queryset.overlapping(now, now + datetime.timedelta(days=7))
            case "month":
                return queryset.overlapping(now, now + datetime.timedelta(days=30))
            case "future":
                again = queryset.filter(rrule__gt="").overlapping(now, None)
                return queryset.starting_from(now) | again
            case "past":
                return queryset.exclude(pk__in=Absence.objects.overlapping(now, None).values("pk"))
        return queryset


class _SeveralOf(forms.MultipleChoiceField):
    """A list of known names, to be ticked."""

    widget = forms.CheckboxSelectMultiple


class PolicyForm(RowForm):
    private_kinds = _SeveralOf(label=_("genres confidentiels"), choices=Kind.choices, required=False)
    excluded_holidays = _SeveralOf(
        label=_("jours fériés travaillés"), choices=[(name, name) for name in holiday_names()], required=False
    )


class PolicyInline(HouseInline):
    """The rules of an organisation, on its page."""

    model = AbsencePolicy
    form = PolicyForm
    max_num = 1
    verbose_name = verbose_name_plural = _("règles d'absence")
    fields = (
        *("morning_starts", "noon", "day_ends", "overlap", "private_kinds"),
        *("public_holidays", "excluded_holidays", "on_holiday"),
    )


admin.site.get_model_admin(Organisation).inlines += (PolicyInline,)


class AbsenceForm(RowForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:  # not for who may only look
            self.fields["kind"].required = False

    def clean_kind(self) -> str:
        """As it was, when nothing is said."""
        return self.cleaned_data["kind"] or self.instance.kind

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        agent, organisation = values.get("agent"), values.get("organisation")
        chosen = not {"agent", "organisation"}.isdisjoint(self.changed_data)
        if chosen and agent and not Absence(agent=agent, organisation=organisation).may_be_kept_for_organisation:
            self.add_error("organisation", _("n'est pas une organisation de l'agent"))
        return values

    def _post_clean(self) -> None:
        """As Django's; then what the organisations say of two absences at once, asked while nobody else writes to the
        agent's calendar.
        """
        super()._post_clean()
        if not self.errors:
            try:
                settle_one(self.instance)
            except Overlapping as refusal:
                ids = ", ".join(map(str, refusal.ids))
                self.add_error(None, format_lazy("{sentence} ({ids})", sentence=OVERLAPS, ids=ids))


class _KnownToSome(HouseAdmin):
    """Rows of which what is private is shown to whoever has the right to know it: others neither change nor delete
    those.
    """

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if not request.user.has_perm(MAY_KNOW):
            rows._iterable_class = Concealing
        return rows

    def is_private(self, row: Any) -> bool:
        return bool(row.private)

    def _may(self, request: HttpRequest, row: Any) -> bool:
        return row is None or not self.is_private(row) or request.user.has_perm(MAY_KNOW)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj) and super().has_delete_permission(request, obj)


@admin.register(Absence)
class AbsenceAdmin(_KnownToSome):
    verbs = HouseAdmin.verbs | {"know_private": _("savoir ce que sont les confidentielles")}
    form = AbsenceForm
    list_display = ("title", "agent", "starts", "ends", "kept_for")
    list_select_related = ("agent", "organisation")
    list_filter = (OfAgent, OfOrganisation, PeriodFilter, ("agent__services", admin.RelatedFieldListFilter))
    search_fields = ("title",)
    search_help_text = _("Titre, ou nom, prénom ou e-mail de l'agent ; les accents ne comptent pas")
    autocomplete_fields = ("agent", "organisation")
    fieldsets = (
        (None, {"fields": ("agent", "title", ("kind", "private"), "organisation")}),
        (_("Quand"), {"fields": (("first_day", "start_time"), ("end_day", "end_time"))}),
        (_("Repères"), {"classes": ("collapse",), "fields": ("version", "created_at", "updated_at")}),
    )
    readonly_fields = ("rrule", "exdates", "recurs_until", "version", "created_at", "updated_at")
    # How it comes again is said by the API alone.
    again = (_("Récurrence"), {"fields": ("rrule", "exdates", "recurs_until")})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets[:2]
        return (*self.fieldsets[:2], self.again, *self.fieldsets[2:]) if obj.rrule else self.fieldsets

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in search_term.split():
            rows = Absence.objects.all()
            known = rows.known_to_all() if request.user.has_perm(MAY_KNOW) else rows.known_by(None)
            folded = fold(word)
            titled = (known.titled(folded) if folded else known.none()).values("pk")
            queryset = queryset.filter(Q(pk__in=titled) | Q(agent__in=Agent.objects.matching(word)))
        return queryset, False

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Not by titles that somebody may not know."""
        columns = [name for name in self.list_display if name != "title"]
        return self.list_display if request.user.has_perm(MAY_KNOW) else columns

    def save_model(self, request: HttpRequest, obj: Absence, form: Any, change: bool) -> None:
        if {"start_time", "end_time"} & {*form.changed_data} and change:
            obj.period = ""  # these are other hours
        if not obj.private and (not change or {"kind", "private"} & {*form.changed_data}):
            obj.private = rules_of([obj.agent_id])[obj.agent_id].private(obj.kind)
        super().save_model(request, obj, form, change)

    @admin.display(description=_("début"), ordering="first_day")
    def starts(self, absence: Absence) -> str:
        return _moment(absence.first_day, absence.start_time)

    @admin.display(description=_("fin"), ordering="end_day")
    def ends(self, absence: Absence) -> str:
        return _moment(absence.end_day, absence.end_time)

    @admin.display(description=_("organisation"), empty_value=_("toutes"))
    def kept_for(self, absence: Absence) -> Organisation | None:
        return absence.organisation


@admin.register(DeletedAbsence)
class DeletedAbsenceAdmin(_KnownToSome):
    """Read, and restored by whoever may create absences."""

    verbs = {"view": _("voir")}
    list_display = ("title", "agent", "starts", "ends", "deleted", "reason")
    list_display_links = ("deleted",)
    list_select_related = ("agent",)
    list_filter = (OfAgent,)
    search_fields = ("reason",)
    search_help_text = _("Nom, prénom ou e-mail de l'agent ; les accents ne comptent pas")
    actions = ("restore",)
    fieldsets = (
        (None, {"fields": ("title", "agent", "starts", "ends", "deleted", "reason")}),
        (_("Repères"), {"classes": ("collapse",), "fields": ("absence_id", "version", "deleted_by")}),
    )
    readonly_fields = ("absence_id", "title", "agent", "starts", "ends", "deleted", "reason", "version", "deleted_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("absences.add_absence"))

    def is_private(self, row: Any) -> bool:
        return bool(row.kept.get("private"))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in search_term.split():
            queryset = queryset.filter(agent__in=Agent.objects.matching(word))
        return queryset, False

    @admin.action(description=_("Rétablir"), permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: Any) -> None:
        restored = 0
        for pk in list(queryset.order_by("pk").values_list("pk", flat=True)):
            row = DeletedAbsence.objects.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
            if row is None:
                continue  # somebody else was quicker
            try:
                with transaction.atomic():
                    row.restore()
                restored += 1
            except ValidationError as failure:
                self.message_user(request, f"{row} : {' '.join(failure.messages)}", messages.ERROR)
        if restored:
            said = ngettext("%(count)d absence rétablie.", "%(count)d absences rétablies.", restored)
            self.message_user(request, said % {"count": restored}, messages.SUCCESS)

    @admin.display(description=_("titre"))
    def title(self, row: DeletedAbsence) -> str:
        return str(row.kept["title"])

    @admin.display(description=_("début"))
    def starts(self, row: DeletedAbsence) -> str:
        was = row.absence()
        return _moment(was.first_day, was.start_time)

    @admin.display(description=_("fin"))
    def ends(self, row: DeletedAbsence) -> str:
        was = row.absence()
        return _moment(was.end_day, was.end_time)

    @admin.display(description=_("supprimée le"), ordering="deleted_at")
    def deleted(self, row: DeletedAbsence) -> str:
        return date_format(timezone.localtime(row.deleted_at), "j N Y, H:i:s")


def _moment(day: datetime.date, time: datetime.time) -> str:
    return f"{date_format(day, 'D j N Y')} {date_format(time, 'TIME_FORMAT')}"
