"""The addresses of absences, under `/api/v1/`."""

from rdv.api.urls import address

from .bulk import AbsencesByName, BulkAbsences
from .changes.view import Changes
from .feeds.views import Feeds
from .freebusy.view import FreeBusy
from .imports import ImportAbsences
from .occurrence_views import Occurrences
from .out import Holidays, WhosOut
from .policy import Policies
from .restoring import DeletedAbsences, RestoredAbsences
from .views import Absences

urlpatterns = [
    address("holidays", Holidays.as_view()),
    address("whos-out", WhosOut.as_view()),
    address(
        "organisations/<pk>/absence_policy",
        Policies.as_view({"get": "retrieve", "put": "update", "patch": "partial_update"}),
    ),
    address("absences", Absences.as_view({"get": "list", "post": "create"})),
    address("absences/import", ImportAbsences.as_view({"post": "import_file"})),
    address("absences/deleted", DeletedAbsences.as_view({"get": "list"})),
    address("absences/<pk>/restore", RestoredAbsences.as_view({"post": "restore"})),
    address("absences/bulk", BulkAbsences.as_view({"post": "bulk"})),
    address(
        "absences/by-external-id/<system>/<external_id>",
        AbsencesByName.as_view({"get": "retrieve", "put": "upsert", "delete": "destroy"}),
    ),
    address(
        "absences/<pk>",
        Absences.as_view({"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}),
    ),
    address("feeds", Feeds.as_view({"get": "list", "post": "create"})),
    address(
        "feeds/<pk>",
        Feeds.as_view({"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}),
    ),
    address("feeds/<pk>/renew", Feeds.as_view({"post": "renew"})),
    address("changes", Changes.as_view()),
    address("absences/<pk>/occurrences", Occurrences.as_view({"get": "occurrences"})),
    address(
        "absences/<pk>/occurrences/<day>",
        Occurrences.as_view({"put": "update", "patch": "partial_update", "delete": "destroy"}),
    ),
    address("freebusy", FreeBusy.as_view(), also="ics"),
]
