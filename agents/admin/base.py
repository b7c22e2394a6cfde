"""What the administration pages share: quick lists, filters set by a link, failures told beside their field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.contrib.messages.storage import default_storage
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connection, models
from django.db.models.expressions import F
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from agents.models import end_rights
from agents.record import gathered
from rdv.api.parsers import leading_integer
from rdv.api.transactions import write

# Beside a row's own values on its page, when the row says when it changed: the change that the page shows.
SEEN = "seen_change"


def row_key(text: str | None) -> int:
    """The key of a row as it stands in an address or a form; 0, which no row has, for what is none."""
    return leading_integer(text) if text and text.isdecimal() else 0


class RowForm(forms.ModelForm):
    """Refuses to save over what somebody else saved since the page was opened. Tells a value that is taken beside its
    field, the last of the constraint as in the API, not above the form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        changed = getattr(self.instance, "updated_at", None) if self.instance.pk else None
        if changed is not None:
            self.fields[SEEN] = forms.CharField(
                required=False, initial=changed.isoformat(), widget=forms.HiddenInput, label=""
            )

    def clean(self) -> dict[str, Any] | None:
        values: dict[str, Any] | None = super().clean()
        # The row was read for this request, and is locked.
        if SEEN in self.fields and self.cleaned_data.get(SEEN) != self.fields[SEEN].initial:
            raise ValidationError(CHANGED_MEANWHILE, code="changed_meanwhile")
        return values

    def _update_errors(self, errors: ValidationError) -> None:
        above = errors.error_dict.get(NON_FIELD_ERRORS, []) if hasattr(errors, "error_dict") else []
        if any(failure.code == "taken" for failure in above):
            others = [failure for failure in errors.error_dict.pop(NON_FIELD_ERRORS) if failure.code != "taken"]
            if others:
                errors.error_dict[NON_FIELD_ERRORS] = others
            for name, failure in self._taken():
                errors.error_dict.setdefault(name, []).append(failure)
        super()._update_errors(errors)  # type: ignore[misc]

    def _taken(self) -> Iterator[tuple[str, ValidationError]]:
        excluded = self._get_validation_exclusions()
        for constraint in self.instance._meta.constraints:
            try:
                constraint.validate(type(self.instance), self.instance, exclude=excluded)
            except ValidationError as failure:
                if failure.code == "taken":
                    name = self._last_column(constraint)
                    yield name if name in self.fields else NON_FIELD_ERRORS, failure

    @staticmethod
    def _last_column(constraint: Any) -> str:
        if constraint.fields:
            return str(constraint.fields[-1])
        return next(part.name for whole in constraint.expressions for part in whole.flatten() if isinstance(part, F))


CHANGED_MEANWHILE = _(
    "Quelqu'un d'autre a modifié cette fiche depuis que vous l'avez ouverte. Rien n'a été enregistré : rouvrez la "
    "fiche pour voir ce qui a changé, puis refaites vos modifications."
)


class _Chosen:
    """Shows again what was chosen. Django looks up what was sent as it is, and fails on what no row's key can be."""

    def optgroups(self, name: str, value: list[str], attr: Any = None) -> Any:
        known = [one for one in value if row_key(one)]
        return super().optgroups(name, known, attr)  # type: ignore[misc]


class _ChosenOne(_Chosen, AutocompleteSelect):
    pass


class _ChosenOnes(_Chosen, AutocompleteSelectMultiple):
    pass


class _Named:
    """Relations are chosen by typing, and shown with what tells homonyms apart: `choice_text` of the other's page."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            kwargs["widget"] = _ChosenOne(db_field, self.admin_site, using=kwargs.get("using"))  # type: ignore[attr-defined]
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        other = self.admin_site._registry.get(db_field.remote_field.model)  # type: ignore[attr-defined]
        if field is not None and isinstance(other, HouseAdmin):
            field.label_from_instance = other.choice_text
            field.queryset = other.choices()
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            kwargs["widget"] = _ChosenOnes(db_field, self.admin_site, using=kwargs.get("using"))  # type: ignore[attr-defined]
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the buttons that add, change or delete the other row: it has its own page."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        widget = getattr(field, "widget", None)
        for verb in ("add", "change", "delete", "view"):
            if hasattr(widget, f"can_{verb}_related"):
                setattr(widget, f"can_{verb}_related", False)
        return field


class HouseAdmin(_Named, admin.ModelAdmin):
    """A list of ours: one count, no facets, pages of 50."""

    form = RowForm
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # What a right on these rows is for; the choice of rights on the agent's page offers no other.
    verbs: ClassVar[Mapping[str, Any]] = {
        "view": _("voir"),
        "add": _("créer"),
        "change": _("modifier"),
        "delete": _("supprimer"),
    }
    # What hangs on a row, each as (name, page, parameter of its filter); apps above this one add theirs.
    lists: tuple[tuple[Any, str, str], ...] = ()

    # Titles that are names: Django's sentences ask for elisions that they do not make ("Modification de agent").

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        page = super().changelist_view
        return self._as_one_change(request, lambda: page(request, title | (extra_context or {})))

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        name = self.opts.verbose_name
        title = {"title": capfirst(name) if object_id else _("Ajouter : %(name)s") % {"name": name}}
        page = super().changeform_view

        def change() -> HttpResponse:
            if request.method == "POST":
                self.hold(object_id)
            return page(request, object_id, form_url, title | (extra_context or {}))

        return self._as_one_change(request, change)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        title = {"title": _("Supprimer : %(name)s") % {"name": self.opts.verbose_name}}
        page = super().delete_view
        return self._as_one_change(request, lambda: page(request, object_id, title | (extra_context or {})))

    def hold(self, object_id: str | None) -> None:
        """Before the row of this page is changed, in the transaction: what else must not change meanwhile."""

    def response_action(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """As Django's, which fails on what no row's key can be."""
        if all(row_key(one) for one in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return super().response_action(request, queryset)
        self.message_user(request, _("Aucune fiche ne porte cet identifiant."), messages.WARNING)
        return None

    @staticmethod
    def _as_one_change(request: HttpRequest, page: Callable[[], HttpResponse]) -> HttpResponse:
        """What is posted is saved whole or not at all, and ends what it takes away (`agents.models.rights`)."""
        if request.method != "POST":
            return page()

        def change() -> HttpResponse:
            request._messages = default_storage(request)  # type: ignore[attr-defined]  # those of this try alone
            with gathered():
                response = page()
            end_rights()
            return response

        return write(change)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, which nobody else changes before this page does."""
        if connection.in_atomic_block and connection.features.has_select_for_update:
            column = from_field or self.opts.pk.name
            with suppress(ValidationError, ValueError):
                found = self.model._base_manager.filter(**{column: self.opts.get_field(column).to_python(object_id)})
                found.select_for_update(no_key=True).values_list("pk").first()
        return super().get_object(request, object_id, from_field or None)  # Django fails on an empty one

    def choices(self) -> models.QuerySet[Any]:
        """The rows that others may be linked to."""
        return self.model._default_manager.all()

    @admin.display(description=_("voir aussi"))
    def related_lists(self, row: Any) -> SafeString:
        """Links to the lists of what hangs on `row`."""
        return format_html_join(" · ", "{}", ((to_list(name, page, **{by: row.pk}),) for name, page, by in self.lists))

    def choice_text(self, row: Any) -> str:
        """How a row is told from its homonyms where one is chosen."""
        return str(row)


class HouseInline(_Named, admin.TabularInline):
    """Rows that belong to another: who may change that one may change these, on its page."""

    form = RowForm
    extra = 0
    show_change_link = False

    def _may(self, request: HttpRequest, obj: Any, verb: str) -> bool:
        parent = self.admin_site._registry[self.parent_model]
        return bool(getattr(parent, f"has_{verb}_permission")(request, obj))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "view")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "change")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "change")


class LinkFilter(admin.SimpleListFilter):
    """Set by a link of another page (`to_list`); shows only what was chosen, so that it enumerates no table."""

    model: ClassVar[type[models.Model]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        if value is None:
            return []
        self.chosen = self.model._default_manager.filter(pk=row_key(value)).first()
        return [(value, str(self.chosen or "?"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset.none() if self.chosen is None else self.narrow(queryset, self.chosen)

    def narrow(self, queryset: Any, chosen: Any) -> Any:
        raise NotImplementedError


def to_list(text: object, page: str, **filters: object) -> SafeString:
    """A link to a list of the administration pages, filtered."""
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{page}_changelist"), urlencode(filters), text)
