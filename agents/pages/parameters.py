"""The form of an operation, made from the registry: a field for each of its parameters, and back to what is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rdv.api.fields import TimeField
from rdv.api.messages import BLANK
from rdv.api.registry import Operation, Parameter, operations
from rdv.api.schema import Schema, Shape

PLACES = {
    "path": gettext_lazy("Dans l'adresse"),
    "body": gettext_lazy("À envoyer"),
    "query": gettext_lazy("Options de la requête"),
    "header": gettext_lazy("En-têtes"),
}
NONE = "none"  # of a field: send null


def offered() -> dict[str, set[str]]:
    """By operation, the parameters for which the runner has a field."""
    return {
        id: {one.parameter.name for one in ParametersForm(operation).fields.values() if isinstance(one, Value)}
        for id, operation in operations().items()
    }


@dataclass
class Sent:
    """What a request carries."""

    path: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)


class Value(forms.CharField):
    """One parameter, as it is typed. An empty one is not sent; what is wrong, the API says."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(
            label=parameter.name,
            required=False,
            strip=False,
            help_text=_help(parameter),
            widget=_widget(parameter),
        )
        self.parameter = parameter

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        place = self.parameter.place
        if place == "path":
            if not text:
                raise ValidationError(BLANK, code="blank")
            if text in (".", ".."):  # which clients take for another address
                raise ValidationError(gettext_lazy("n'est pas un identifiant"), code="invalid")
        if place == "header":
            text = text.strip()
            if not text.isprintable():
                raise ValidationError(gettext_lazy("ne tient pas en une ligne"), code="invalid")
        return text


class ParametersForm(forms.Form):
    """All parameters of an operation, and for one of the body that may be null a box that says so."""

    prefix = "p"

    def __init__(self, operation: Operation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.operation = operation
        for place in PLACES:
            for parameter in operation.parameters:
                if parameter.place == place:
                    self.fields[parameter.name] = Value(parameter)
                    if place == "body" and _may_be_null(parameter.schema):
                        self.fields[f"{parameter.name}:{NONE}"] = forms.BooleanField(
                            label=_("Vider (null)"), required=False
                        )

    def groups(self) -> list[dict[str, Any]]:
        """The fields by place, those that must be there first; what is seldom needed in a drawer."""
        found = []
        for place, title in PLACES.items():
            fields: list[dict[str, Any]] = [
                {"field": self[name], "none": self._box(name), "parameter": one.parameter}
                for name, one in self.fields.items()
                if isinstance(one, Value) and one.parameter.place == place
            ]
            fields.sort(key=lambda one: not one["parameter"].required)
            if fields:
                filled = any(one["field"].value() or one["field"].errors for one in fields)
                found.append({"title": title, "fields": fields, "folded": place in ("query", "header"), "open": filled})
        if len(found) == 1 or all(group["folded"] for group in found):
            found[0]["open"] = True
        return found

    def _box(self, name: str) -> Any:
        return self[f"{name}:{NONE}"] if f"{name}:{NONE}" in self.fields else None

    def sent(self) -> Sent:
        """What is to be sent, of a form that was filled in: of an empty or wrong field nothing."""
        values = self.cleaned_data if self.is_bound and self.is_valid() else self._readable()
        sent = Sent()
        for name, one in self.fields.items():
            if not isinstance(one, Value):
                continue
            text, schema = values.get(name) or "", one.parameter.schema
            if values.get(f"{name}:{NONE}"):
                sent.body[name] = None
            elif text:
                match one.parameter.place:
                    case "path":
                        sent.path[name] = text
                    case "query":
                        sent.query.append((name, ",".join(text.split()) if "array" in _kinds(schema) else text))
                    case "header":
                        sent.headers.append((name, text))
                    case "body":
                        sent.body[name] = value_of(schema, text)
        return sent

    def _readable(self) -> dict[str, Any]:
        if self.is_bound:
            return self.cleaned_data  # of those that are right
        return {name: self.get_initial_for_field(one, name) for name, one in self.fields.items()}


def filled(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the fields of a form for these arguments."""
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if value is None:
            values[f"{name}:{NONE}"] = True
        else:
            values[name] = "\n".join(map(_text, value)) if isinstance(value, list | tuple) else _text(value)
    return values


def is_secret(parameter: Parameter) -> bool:
    return not isinstance(parameter.schema, Shape) and parameter.schema.get("format") == "password"


def value_of(schema: Schema, text: str) -> Any:
    """What is meant by `text`: of the types that the parameter may have the first that it can be, else itself."""
    kinds = _kinds(schema)
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    for choice in _choices(schema):
        if text == _text(choice):
            return choice
    for part in _parts(schema):
        if "array" in _kinds(part):
            return [value_of(part.get("items", {}), line.strip()) for line in text.splitlines() if line.strip()]
    if "integer" in kinds and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text, re.ASCII):
        return int(text)
    if kinds & {"object", "number"} and "string" not in kinds:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def prose(sentence: Any) -> SafeString:
    """A sentence of the registry, what is in backticks as code."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(sentence))))  # noqa: S308 - escaped


def _parts(schema: Schema) -> Iterator[Mapping[str, Any]]:
    """What a value may be, each by itself, but for nothing at all: an empty field is not sent, null has a box."""
    if isinstance(schema, Shape):
        schema = schema.schema()
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _parts(one)
    elif schema.get("maxLength") != 0 and schema.get("type") != "null":
        yield schema


def _kinds(schema: Schema) -> set[str]:
    """The types of JSON Schema that a value may be of, but for null."""
    kinds: set[str] = set()
    for part in _parts(schema):
        kind = part.get("type", ())
        kinds |= {kind} if isinstance(kind, str) else set(kind)
    return kinds - {"null"}


def _may_be_null(schema: Schema) -> bool:
    if isinstance(schema, Shape):
        return False
    return (
        "null" in schema.get("type", ())
        or None in schema.get("enum", ())
        or any(map(_may_be_null, schema.get("anyOf", ())))
    )


def _choices(schema: Schema) -> list[Any]:
    """The values that may be chosen, one for each way to write them."""
    found: dict[str, Any] = {}
    for part in _parts(schema):
        for value in part.get("enum", ()):
            if value not in (None, ""):
                found.setdefault(_text(value), value)
    return list(found.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Suggesting(forms.TextInput):
    """A field with values to choose from, that takes others too."""

    template_name = "agents/suggesting.html"

    def __init__(self, values: list[str]) -> None:
        super().__init__({"autocomplete": "off"})
        self.values = values

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs']['id']}_values"
        return context | {"values": self.values}


def _widget(parameter: Parameter) -> forms.Widget:
    schema, kinds, choices = parameter.schema, _kinds(parameter.schema), _choices(parameter.schema)
    parts = list(_parts(schema))
    said = parts[0] if len(parts) == 1 else {}
    required = {"aria-required": "true"} if parameter.required else {}
    attributes: dict[str, Any] = {"autocomplete": "off", "spellcheck": "false"} | required
    if "boolean" in kinds:
        return _select(["true", "false"], required)
    if kinds & {"array", "object"}:
        return forms.Textarea(attrs=attributes | {"rows": 3})
    if choices and all("enum" in part for part in parts):
        return _select([_text(one) for one in choices], required)
    if choices:
        return Suggesting([_text(one) for one in choices])
    if is_secret(parameter):
        return forms.PasswordInput(attrs=attributes | {"autocomplete": "new-password"})
    if said.get("format") == "date":
        return forms.DateInput(attrs=attributes | {"type": "date"})
    if said.get("pattern") == TimeField.schema["pattern"]:
        return forms.TimeInput(attrs=attributes | {"type": "time"})
    if "integer" in kinds:
        return forms.NumberInput(attrs=attributes | {"step": 1, "min": said.get("minimum")})
    if said.get("format") == "uri":
        return forms.URLInput(attrs=attributes)
    if "maxLength" in said:
        attributes["maxlength"] = said["maxLength"]
    return forms.TextInput(attrs=attributes)


def _select(values: list[str], attributes: dict[str, str]) -> forms.Select:
    return forms.Select(attrs=attributes, choices=[("", "—"), *((one, one) for one in values)])


def _shows_itself(parameter: Parameter) -> bool:
    return isinstance(_widget(parameter), forms.DateInput | forms.TimeInput | forms.Select)


def _help(parameter: Parameter) -> SafeString:
    """What it is for; then how it is written, where its field does not show that."""
    schema = {} if isinstance(parameter.schema, Shape) else parameter.schema
    said = [prose(parameter.about)] if parameter.about else []
    if "array" in _kinds(parameter.schema):
        said.append(escape(_("Une valeur par ligne.")))
    if names := schema.get("x-names"):
        said.append(mark_safe(", ".join(f"<code>{escape(name)}</code>" for name in names)))  # noqa: S308 - escaped
    elif "example" in schema and "enum" not in schema and not _shows_itself(parameter):
        example = f"<code>{escape(_text(schema['example']))}</code>"
        said.append(mark_safe(escape(_("Par exemple :")) + f" {example}"))  # noqa: S308 - escaped
    return mark_safe(" ".join(said))  # noqa: S308 - escaped
