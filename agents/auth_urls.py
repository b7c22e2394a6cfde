"""The addresses of JSON Web Tokens, under `/api/auth/`: outside of the version, as the clients that use them expect."""

from rdv.api.urls import address

from .views.jwt import Jwks, Login

urlpatterns = [
    address("login", Login.as_view()),
    address("jwks", Jwks.as_view()),
]
