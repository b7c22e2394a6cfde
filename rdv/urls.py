"""The table of contents of the server."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

import absences.urls
import agents.urls
import webhooks.urls
from absences.feeds.serving import feed
from agents.views.jwt import Jwks
from rdv.api.discovery import Description, Discovery
from rdv.api.urls import address
from rdv.api.versioning import OtherAddresses
from rdv.docs import Docs, Reference

DESCRIPTION = [address("openapi", Description.as_view())]

# /health/live and /health/ready are answered before any of these: rdv/health.py.
urlpatterns = [
    path("api/v1/", include("absences.urls")),  # first: what is asked most is found soonest
    path("api/v1/", include("agents.urls")),
    path("api/v1/", include("webhooks.urls")),
    path("api/v1/", include(DESCRIPTION)),
    path("api/auth/", include("agents.auth_urls")),
    path("", include([address("api", Discovery.as_view())])),
    OtherAddresses([*absences.urls.urlpatterns, *agents.urls.urlpatterns, *webhooks.urls.urlpatterns, *DESCRIPTION]),
    re_path(r"^api/docs/?\Z", Docs.as_view(), name="docs"),
    re_path(r"^api/docs/reference/?\Z", Reference.as_view(), name="docs_reference"),
    path(".well-known/jwks.json", Jwks.as_view()),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("feeds/<str:secret>.ics", feed, name="feed"),
    path("", include("absences.feeds.urls")),
    path("", include("webhooks.page_urls")),
    path("", include("agents.pages.urls")),
]

handler400 = "rdv.api.errors.bad_request"
handler403 = "rdv.api.errors.permission_denied"
handler404 = "rdv.api.errors.page_not_found"
handler500 = "rdv.api.errors.server_error"
