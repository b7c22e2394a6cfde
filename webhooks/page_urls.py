"""The addresses of the pages of webhooks."""

from django.urls import path

from .pages import Enable, Log, SendAgain, Try, Webhooks

urlpatterns = [
    path("webhooks", Webhooks.as_view(), name="webhooks"),
    path("webhooks/<int:pk>", Log.as_view(), name="webhook"),
    path("webhooks/<int:pk>/essai", Try.as_view(), name="try_webhook"),
    path("webhooks/<int:pk>/activer", Enable.as_view(), name="enable_webhook"),
    path("webhooks/<int:pk>/renvoyer", SendAgain.as_view(), name="send_webhook_again"),
]
