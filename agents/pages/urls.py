"""The addresses of the pages for agents: short, and meant to stay."""

from django.urls import path
from django.views.i18n import set_language

from .activity import Activity
from .base import home
from .keys import DeleteKey, Keys, NewKey, SwitchKey
from .operations import OperationPage, Operations
from .reference import Problem, Problems, Versions
from .setup import FirstAdministrator
from .signing import SignIn, SignOut, SignOutEverywhere

urlpatterns = [
    path("", home, name="home"),
    path("connexion", SignIn.as_view(), name="sign_in"),
    path("deconnexion", SignOut.as_view(), name="sign_out"),
    path("deconnexion/partout", SignOutEverywhere.as_view(), name="sign_out_everywhere"),
    path("cles", Keys.as_view(), name="keys"),
    path("cles/nouvelle", NewKey.as_view(), name="new_key"),
    path("cles/<int:pk>/desactiver", SwitchKey.as_view(), name="deactivate_key"),
    path("cles/<int:pk>/activer", SwitchKey.as_view(on=True), name="activate_key"),
    path("cles/<int:pk>/supprimer", DeleteKey.as_view(), name="delete_key"),
    path("activite", Activity.as_view(), name="activity"),
    path("operations", Operations.as_view(), name="operations"),
    path("operations/<str:id>", OperationPage.as_view(), name="operation"),
    path("erreurs", Problems.as_view(), name="problems"),
    path("erreurs/<slug:code>", Problem.as_view(), name="problem"),
    path("versions", Versions.as_view(), name="versions"),
    path("premier-administrateur", FirstAdministrator.as_view(), name="first_administrator"),
    path("langue", set_language, name="language"),
]
