"""The mails of the accounts. They leave in the background: how long a mail takes must not tell whether one was sent."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.translation import get_language, override

from .models import Agent

logger = logging.getLogger(__name__)

_postman = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def send_password_reset(agent: Agent, link: str) -> None:
    """Send `agent` the link that lets them choose a new password, in the language of the request."""
    send("agents/password_reset.txt", {"agent": agent, "link": link}, agent.email, get_language())


def send(template: str, context: dict[str, object], recipient: str, language: str) -> None:
    """A mail of this template, whose first line is the subject, a moment later."""
    _postman.submit(_send, template, context, recipient, language)


def _send(template: str, context: dict[str, object], recipient: str, language: str) -> None:
    try:
        with override(language):
            # The first line is the subject.
            subject, _newline, text = render_to_string(template, context).partition("\n")
        EmailMessage(subject, text.lstrip(), settings.DEFAULT_FROM_EMAIL, [recipient]).send()
    except Exception:  # a mail server may fail in any way; the answer has left already
        logger.exception("A mail could not be sent")
