"""The mails of the accounts. They leave in the background: how long a mail takes must not tell whether one was sent."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from .models import Agent

logger = logging.getLogger(__name__)

_postman = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def send_password_reset(agent: Agent, link: str) -> None:
    """Send `agent` the link that lets them choose a new password."""
    body = render_to_string("agents/password_reset.txt", {"agent": agent, "link": link})
    subject, _newline, text = body.partition("\n")
    _postman.submit(_send, EmailMessage(subject, text.lstrip(), settings.DEFAULT_FROM_EMAIL, [agent.email or ""]))


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except Exception:  # a mail server may fail in any way; the answer has left already
        logger.exception("A mail could not be sent")
