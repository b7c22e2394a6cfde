"""The addresses of who, under `/api/v1/`."""

from rdv.api.urls import address

from .views.directory import AgentExternalIds, Agents, Organisations, Services
from .views.keys import Token, Tokens
from .views.passwords import Password, PasswordEdit
from .views.record import Audit
from .views.sessions import Me, SignIn, SignOut, ValidateToken

UPDATE = {"put": "update", "patch": "partial_update"}

urlpatterns = [
    address("auth/sign_in", SignIn.as_view()),
    address("auth/sign_out", SignOut.as_view()),
    address("auth/validate_token", ValidateToken.as_view()),
    address("auth/password", Password.as_view()),
    address("auth/password/edit", PasswordEdit.as_view()),
    address("me", Me.as_view()),
    address("token", Token.as_view()),
    address("tokens", Tokens.as_view({"get": "list", "post": "create"})),
    address("tokens/<pk>", Tokens.as_view({"get": "retrieve", **UPDATE, "delete": "destroy"})),
    address("agents", Agents.as_view({"get": "list"})),
    address("agents/<pk>/external_ids", AgentExternalIds.as_view({"get": "retrieve", **UPDATE})),
    address("organisations", Organisations.as_view({"get": "list"})),
    address("organisations/<pk>", Organisations.as_view({"get": "retrieve", **UPDATE})),
    address("services", Services.as_view({"get": "list"})),
    address("audit", Audit.as_view({"get": "list"})),
    address("audit/<pk>", Audit.as_view({"get": "retrieve"})),
]
