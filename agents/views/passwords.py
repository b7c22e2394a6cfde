"""Forgotten and changed passwords (contract 2.8): a mail, its link, the change."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from agents import mails, shapes
from agents.authentication import TripleAuthentication, TripleCredential
from agents.emails import normalise_email
from agents.models import Agent, ClientToken, Overtaken, Refused, end_tokens
from agents.record.refusals import signed_in
from agents.serializers import account
from agents.throttles import PasswordRequestThrottle
from rdv.api.errors import Refusal, Unauthenticated, UnknownRoute, UnreadableBody
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Parameter
from rdv.api.schema import Shape, array, flag, obj, text
from rdv.api.times import auth_datetime

from .base import AuthView, said
from .sessions import SAMPLE_ACCOUNT
from .sign_in import EMAIL

SENT = gettext_lazy("Un e-mail a été envoyé à '%(email)s' avec les instructions de réinitialisation du mot de passe.")
NO_REDIRECTION = gettext_lazy("URL de redirection manquante.")
NO_EMAIL = gettext_lazy("Vous devez soumettre un e-mail.")
ELSEWHERE = gettext_lazy("Redirection vers '%(url)s' non autorisée.")
NOT_USED = gettext_lazy("Ce compte ne demande pas de mot de passe. Connectez vous en utilisant '%(provider)s'.")
NOT_BOTH = gettext_lazy("Vous devez remplir les champs 'Mot de passe' et 'Confirmation de mot de passe'.")
CHANGED = gettext_lazy("Votre mot de passe a été correctement mis à jour.")


class ResetView(AuthView):
    """What the request of a reset and its link share."""

    @property
    def origin(self) -> str:
        """Where this server is found from outside, as its mails say."""
        return (settings.RDV_PUBLIC_URL or self.base).lower()

    def may_redirect_to(self, url: str) -> bool:
        """Whether a browser may be sent to `url`, with a triple: to this server or one of `RDV_REDIRECT_ORIGINS`."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return f"{parts.scheme}://{parts.netloc}".lower() in (self.origin, *settings.RDV_REDIRECT_ORIGINS)


MISMATCH = gettext_lazy("Le nouveau mot de passe et la confirmation ne concordent pas")


class InvalidPassword(Refusal):
    """422 with the messages by attribute and `full_messages`, the shape of this endpoint alone (contract 2.8)."""

    shape = Shape(
        "InvalidPassword",
        gettext_lazy("Ce qui ne va pas dans un nouveau mot de passe."),
        {
            "success": flag(const=False),
            "errors": {
                "type": "object",
                "description": gettext_lazy("Par champ, et toutes ensemble dans `full_messages`."),
                "additionalProperties": array(text()),
            },
        },
    )

    def __init__(self, errors: dict[str, list[Any]]) -> None:
        super().__init__(422, "invalid_password", "")
        self.errors = errors

    def sentence(self) -> str:
        return "; ".join(map(str, self.errors["full_messages"]))

    def extensions(self, request: object) -> dict[str, object]:
        codes = {"password": "invalid", "password_confirmation": "mismatch"}
        errors = [
            {"pointer": f"#/{name}", "code": code, "detail": str(sentence)}
            for name, code in codes.items()
            for sentence in self.errors.get(name, ())
        ]
        return {"errors": errors}

    def body(self) -> dict[str, object]:
        return {"success": False, "errors": self.errors}


class Password(ResetView):
    """`POST auth/password` asks for a mail; `PUT` and `PATCH` set a new password."""

    operations = {
        "post": Described(
            gettext_lazy("Demander un nouveau mot de passe"),
            gettext_lazy(
                "Envoie un courriel avec un lien, bon pendant six heures. La réponse ne dit pas si l'adresse est "
                "connue."
            ),
            gettext_lazy("Qui que ce soit."),
            name="request_password",
            parameters=(
                EMAIL,
                Parameter(
                    "redirect_url",
                    gettext_lazy("Où le lien mène : sur ce serveur, ou à une origine permise."),
                    text(format="uri"),
                    place="body",
                    required=True,
                ),
                Parameter("config_name", gettext_lazy("Repris tel quel dans le lien."), text(), place="body"),
            ),
            answers={
                200: Answer(
                    gettext_lazy("Un courriel est parti, si l'adresse est connue."),
                    obj("", success=flag(const=True), message=text()),
                    lambda: {"success": True, "message": str(SENT) % {"email": "martine@demo.rdv-solidarites.fr"}},
                )
            },
            errors=(
                Refusal(401, "redirect_url_missing", NO_REDIRECTION),
                Refusal(401, "email_missing", NO_EMAIL),
                Refusal(422, "redirect_not_allowed", said(ELSEWHERE, url="https://ailleurs.example")),
            ),
            examples=(
                Example(
                    gettext_lazy("Martine, des données de démonstration"),
                    {"email": "martine@demo.rdv-solidarites.fr", "redirect_url": "http://127.0.0.1:8000/connexion"},
                ),
            ),
            limits=gettext_lazy("Dix par minute depuis un même endroit."),
            public=True,
        ),
        "put": Described(
            gettext_lazy("Changer de mot de passe"),
            gettext_lazy("Les autres sessions de l'agent finissent. PUT et PATCH font la même chose."),
            gettext_lazy("Tout agent connecté par un triplet."),
            name="change_password",
            parameters=(
                Parameter("password", gettext_lazy("Le nouveau."), text(format="password"), "body", required=True),
                Parameter(
                    "password_confirmation",
                    gettext_lazy("Le même, une seconde fois."),
                    text(format="password"),
                    "body",
                    required=True,
                ),
            ),
            answers={
                200: Answer(
                    gettext_lazy("C'est fait."),
                    obj("", success=flag(const=True), data=shapes.ACCOUNT, message=text()),
                    lambda: {"success": True, "data": SAMPLE_ACCOUNT, "message": str(CHANGED)},
                )
            },
            errors=(
                InvalidPassword({"password_confirmation": [MISMATCH], "full_messages": [MISMATCH]}),
                Refusal(422, "passwords_missing", NOT_BOTH),
                Refusal(422, "password_not_used", said(NOT_USED, provider="inclusion_connect")),
                UnreadableBody(),
            ),
        ),
    }
    refusal = (401, "Unauthorized")  # in English on the wire

    def get_authenticators(self) -> list[TripleAuthentication]:
        return [] if self.request.method == "POST" else [TripleAuthentication()]

    def get_permissions(self) -> list[AllowAny]:
        return [AllowAny()] if self.request.method == "POST" else super().get_permissions()

    def get_throttles(self) -> list[PasswordRequestThrottle]:
        return [PasswordRequestThrottle()] if self.request.method == "POST" else []

    def post(self, request: Request) -> Response:
        """The same answer whether or not the email is known, in the same time: the mail leaves on its own."""
        redirect_url = self.params.text("redirect_url")
        email = normalise_email(self.params.text("email") or "")
        if redirect_url is None:
            raise Refusal(401, "redirect_url_missing", NO_REDIRECTION)
        if not email:
            raise Refusal(401, "email_missing", NO_EMAIL)
        if not self.may_redirect_to(redirect_url):
            raise Refusal(422, "redirect_not_allowed", said(ELSEWHERE, url=redirect_url))
        agent = Agent.objects.filter(email=email, provider="email", is_active=True, deleted_at=None).first()
        if agent is not None:
            query = {
                "config": self.params.text("config_name") or "default",
                "redirect_url": redirect_url,
                "reset_password_token": f"{agent.pk}-{default_token_generator.make_token(agent)}",
            }
            link = f"{self.origin}/api/v1/auth/password/edit?{urlencode(query)}"
            mails.send_password_reset(agent, link)
        return Response({"success": True, "message": str(SENT) % {"email": email}})

    def put(self, request: Request) -> Response:
        """The current password is not asked. Other sessions end; the triple presented stays good."""
        self.params.refuse_unread_body()
        agent: Agent = request.user
        password, confirmation = self.params.text("password"), self.params.text("password_confirmation")
        if agent.provider != "email":
            raise Refusal(422, "password_not_used", said(NOT_USED, provider=agent.provider))
        if password is None or confirmation is None:
            raise Refusal(422, "passwords_missing", NOT_BOTH)
        self._check(agent, password, confirmation)
        own = ClientToken.objects.filter(pk=request.auth.token.pk, revoked_at=None)
        agent.set_password(password)  # hashed before the transaction: nobody waits for its locks meanwhile
        with transaction.atomic():
            # Of two who end each other's session, the second comes without one.
            present = Agent.objects.select_for_update(no_key=True).filter(pk=agent.pk, is_active=True, deleted_at=None)
            if not present.values_list("pk").first() or not own.exists():
                request.auth = None
                raise Unauthenticated(Refused.REVOKED)
            agent.allow_password_change = False
            agent.save(update_fields=("password", "allow_password_change", "updated_at"))
            ClientToken.objects.filter(agent=agent).exclude(pk=request.auth.token.pk).revoke()
            end_tokens(agent.pk)
        data = account(agent) | {
            "created_at": auth_datetime(agent.created_at),
            "updated_at": auth_datetime(agent.updated_at),
        }
        return Response({"success": True, "data": data, "message": str(CHANGED)})

    patch = put

    @staticmethod
    def _check(agent: Agent, password: str, confirmation: str) -> None:
        errors: dict[str, list[str]] = {}
        try:
            password_validation.validate_password(password, agent)
        except ValidationError as error:
            errors["password"] = error.messages
        if password != confirmation:
            errors["password_confirmation"] = [str(MISMATCH)]
        if errors:
            full = [message for messages in errors.values() for message in messages]
            raise InvalidPassword(errors | {"full_messages": full})


class PasswordEdit(ResetView):
    """`GET auth/password/edit`: the mail's link, good for 6 hours; sends the browser on with a fresh triple."""

    operations = {
        "get": Described(
            gettext_lazy("Suivre le lien du courriel"),
            gettext_lazy("Renvoie le navigateur où la demande l'a voulu, avec un triplet dans l'adresse."),
            gettext_lazy("Qui a reçu le courriel."),
            name="edit_password",
            parameters=(
                Parameter("reset_password_token", gettext_lazy("Le secret du lien."), text(), required=True),
                Parameter("redirect_url", gettext_lazy("Où aller."), text(format="uri"), required=True),
                Parameter("config", gettext_lazy("Repris tel quel."), text()),
            ),
            answers={
                302: Answer(
                    gettext_lazy("Plus loin, avec un triplet."), headers={"Location": gettext_lazy("Où aller.")}
                )
            },
            errors=(UnknownRoute(),),
            public=True,
        )
    }
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> HttpResponseBase:
        number, _dash, token = (self.params.text("reset_password_token") or "").partition("-")
        url = self.params.text("redirect_url") or ""
        agent = Agent.objects.filter(pk=leading_integer(number), is_active=True, deleted_at=None).first()
        if agent is None or not self.may_redirect_to(url) or not default_token_generator.check_token(agent, token):
            raise UnknownRoute
        try:
            with transaction.atomic():
                agent.allow_password_change = True
                agent.save(update_fields=("allow_password_change", "updated_at"))
                issued, secret = ClientToken.objects.issue(agent)
                signed_in(agent, "password_link")
        except Overtaken:  # the link was good for the password that is no more
            raise UnknownRoute from None
        triple = TripleCredential(issued, secret, fresh=True).triple()
        parts = urlsplit(url)
        query = [
            *parse_qsl(parts.query, keep_blank_values=True),
            ("access-token", secret),
            ("client", triple["client"]),
            ("client_id", triple["client"]),
            ("config", self.params.text("config") or "default"),
            ("expiry", triple["expiry"]),
            ("reset_password", "true"),
            ("token", secret),
            ("uid", triple["uid"]),
        ]
        return HttpResponseRedirect(urlunsplit(parts._replace(query=urlencode(query))))
