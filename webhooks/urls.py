"""The addresses of webhooks, under `/api/v1/`."""

from rdv.api.urls import address

from .events import Events
from .log import Deliveries
from .views import WebhookEndpoints

ENDPOINTS = "organisations/<organisation_id>/webhook_endpoints"

urlpatterns = [
    address("events", Events.as_view()),
    address(ENDPOINTS, WebhookEndpoints.as_view({"get": "list", "post": "create"})),
    address(
        f"{ENDPOINTS}/<pk>",
        WebhookEndpoints.as_view({"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}),
    ),
    address(f"{ENDPOINTS}/<pk>/deliveries", Deliveries.as_view({"get": "list"})),
    address(f"{ENDPOINTS}/<pk>/replay", Deliveries.as_view({"post": "send_again"})),
    address(f"{ENDPOINTS}/<pk>/enable", WebhookEndpoints.as_view({"post": "enable"})),
    address(f"{ENDPOINTS}/<pk>/rotate", WebhookEndpoints.as_view({"post": "rotate"})),
    address(f"{ENDPOINTS}/<pk>/test", WebhookEndpoints.as_view({"post": "test"})),
]
