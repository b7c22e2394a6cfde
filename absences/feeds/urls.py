"""The addresses of the pages of absences: short, and meant to stay."""

from django.urls import path

from absences.pages import Import

from .pages import ChangeFeed, DeleteFeed, Feeds, NewFeed, RenewFeed, RevokeFeed

urlpatterns = [
    path("absences/importer", Import.as_view(), name="import_absences"),
    path("calendriers", Feeds.as_view(), name="own_feeds"),
    path("calendriers/nouveau", NewFeed.as_view(), name="new_feed"),
    path("calendriers/<int:pk>", ChangeFeed.as_view(), name="change_feed"),
    path("calendriers/<int:pk>/renouveler", RenewFeed.as_view(), name="renew_feed"),
    path("calendriers/<int:pk>/revoquer", RevokeFeed.as_view(), name="revoke_feed"),
    path("calendriers/<int:pk>/supprimer", DeleteFeed.as_view(), name="delete_feed"),
]
