"""OPTIONS: what this address is for, and what may be sent to it (the verbs are in `Allow`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class WireMetadata(BaseMetadata):
    """`name`, `description`, the `actions` of each verb with the fields that may be written, and the `filters`."""

    def determine_metadata(self, request: Request, view: APIView) -> dict[str, Any]:
        serializer = getattr(view, "serializer_class", None)
        filters = getattr(view, "filters", None)
        methods = [method for method in view.allowed_methods if method != "OPTIONS"]
        fields = {
            name: {"type": type(field).__name__.removesuffix("Field").lower()}
            | ({"format": field.format} if hasattr(field, "format") else {})
            for name, field in (serializer().fields.items() if serializer else ())
        }
        return {
            "name": view.get_view_name(),
            "actions": {method: fields if method in ("POST", "PUT", "PATCH") else {} for method in methods},
            "filters": sorted(filters.base_filters) if filters and "GET" in methods else [],
        }
