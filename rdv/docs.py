"""The description of the API for people: Swagger UI at `/api/docs`, where requests are tried, and Redoc at
`/api/docs/reference`, to read. Public; no other host is asked.

Both are drf-spectacular-sidecar's static files, begun by scripts of ours. They are pages, though their addresses are
under `/api/`: `rdv.api.middleware.of_api` knows them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import conditional_page

from rdv.api.discovery import DESCRIPTION

SELF, NONE = "'self'", "'none'"
# Of an element without text: styled-components makes one, and fills it rule by rule.
EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
# The style of scrollbars that Redoc brings along, letter by letter: another version of it may need another one.
SCROLLBARS = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
# No script and no style but ours, and no eval.
POLICY = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "connect-src": [SELF],
    "frame-ancestors": [SELF],
    "form-action": [NONE],
    "base-uri": [NONE],
    "object-src": [NONE],
}


@method_decorator(conditional_page, "dispatch")
class Docs(View):
    """One of the two, in the language of the reader, or that of `lang`."""

    template: ClassVar[str] = "docs/swagger.html"
    policy: ClassVar[dict[str, list[str]]] = POLICY

    def get(self, request: HttpRequest) -> HttpResponse:
        language = request.GET.get("lang", "")
        if language not in dict(settings.LANGUAGES):
            language = translation.get_language()
        with translation.override(language):
            context = self._context(request, language)
            response = HttpResponse(render_to_string(self.template, context))
            if not settings.RDV_API:
                context["sentence"] = _("L'API est désactivée sur ce serveur.")
                response = HttpResponse(render_to_string("docs/off.html", context), status=403)
        # Asked for anew each time, and seldom sent: what it says may change with the server.
        response["Cache-Control"] = "no-cache"
        response["Content-Language"] = language
        patch_vary_headers(response, ("Cookie",))  # which may know the language
        response._csp_config = self.policy  # type: ignore[attr-defined]
        return response

    def _context(self, request: HttpRequest, language: str) -> dict[str, Any]:
        asked = f"?lang={language}" if request.GET.get("lang") == language else ""
        return {"description": DESCRIPTION, "LANGUAGE_CODE": language, "asked": asked}


class Reference(Docs):
    template = "docs/redoc.html"
    # Its search works in a thread of its own.
    policy = POLICY | {"style-src": [SELF, EMPTY, SCROLLBARS], "worker-src": ["blob:"]}
