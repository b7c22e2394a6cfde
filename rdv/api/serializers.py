"""Writing a row from parameters: every value is read, every rule asked, every failure told at once (contract 1.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from rest_framework import serializers

from .errors import Invalid
from .fields import TextField
from .messages import TAKEN
from .registry import Parameter
from .schema import or_nothing


class WireSerializer(serializers.Serializer):
    """Reads types, then leaves the rules to the model: its fields (`clean_fields`), then its `clean()`.

    Declared fields are attributes of the model, in the order in which their failures are shown. What is not sent is
    left as it is, so that PUT and PATCH are both partial; null and "" are an absence of value. `is_valid` raises
    Invalid (422) with every failure; `save` writes the row that was checked, and only if something changed.
    """

    model: ClassVar[type[models.Model]]
    # What a creation cannot do without; and the parameters of a field whose own name is not on the wire.
    needed: ClassVar[tuple[str, ...]] = ()
    described: ClassVar[dict[str, tuple[Parameter, ...]]] = {}
    # What may be sent only when a row is made, or only when it is changed.
    creating_only: ClassVar[tuple[str, ...]] = ()
    changing_only: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def described_parameters(cls, *, creating: bool) -> Iterator[Parameter]:
        """What may be sent to create a row, or to change one: the fields, with their `help_text` and `schema`."""
        left_out = cls.changing_only if creating else cls.creating_only
        for name, field in cls._declared_fields.items():
            if name not in left_out:
                required = creating and name in cls.needed
                own = cls._bounded(name, field.schema, required=required)  # type: ignore[attr-defined]
                schema = own if required else or_nothing(own)
                yield from cls.described.get(
                    name, (Parameter(name, field.help_text or "", schema, place="body", required=required),)
                )

    @classmethod
    def _bounded(cls, name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
        """The type of a text, with what its column asks of it."""
        column = next((one for one in cls.model._meta.fields if one.name == name), None)
        if column is None or schema.get("type") != TextField.schema["type"]:
            return schema
        bounds = {"maxLength": column.max_length, "pattern": r"\S" if required else None}
        return schema | {word: bound for word, bound in bounds.items() if bound}

    def run_validation(self, data: Any = serializers.empty) -> dict[str, Any]:
        failures: dict[str, list[ValidationError]] = {}
        values: dict[str, Any] = {}
        # As declared: a type has no state, so a copy for each request (`self.fields`) would be a copy for nothing.
        for name, field in self._declared_fields.items():
            raw = data.get(name)
            if name not in data:
                continue
            try:
                values[name] = None if raw is None or raw == "" else field.to_internal_value(raw)
            except ValidationError as error:
                # No value at all: no other rule must judge by the one that is being replaced.
                values[name] = None
                failures[name] = error.error_list
        self.row = self.instance or self.model()
        self.before = vars(self.row).copy()
        self.assign(self.row, values, failures)
        self._check(self.row, failures)
        return values

    def assign(self, row: Any, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        """Set `values` on `row`. A resource that resolves names into records does it here, adding to `failures`."""
        for name, value in values.items():
            setattr(row, name, value)

    def _check(self, row: Any, failures: dict[str, list[ValidationError]]) -> None:
        # Only what may be written is checked; relations were resolved by `assign`, with a query less.
        shown: list[str] = list(self._declared_fields)
        checked = {name for name in shown if name not in failures}
        columns = row._meta.fields
        try:
            row.clean_fields(
                exclude=[column.name for column in columns if column.is_relation or column.name not in checked]
            )
        except ValidationError as error:
            failures |= error.error_dict
        ordered = {name: failures[name] for name in shown if name in failures}
        ordered |= {name: failures[name] for name in failures if name not in ordered}
        try:
            row.clean()
        except ValidationError as error:
            for name, more in error.error_dict.items():
                ordered.setdefault(name, []).extend(more)
        for name, failure in self._taken(row):
            ordered.setdefault(name, []).append(failure)
        if ordered:
            raise Invalid(ordered)

    def _taken(self, row: Any) -> Iterator[tuple[str, ValidationError]]:
        """The unique constraints that `row` breaks; the last field of each is the one said to be taken."""
        for constraint in row._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                try:
                    constraint.validate(type(row), row)
                except ValidationError:
                    name = constraint.fields[-1]
                    yield name, ValidationError(TAKEN, code="taken", params={"value": getattr(row, name)})

    def create(self, validated_data: Any) -> Any:
        self.row.save()
        return self.row

    def update(self, instance: Any, validated_data: Any) -> Any:
        if vars(self.row) != self.before:
            self.row.save()
        return self.row
