"""The body of a request, read to its end before the request stands in line; or why there is none.

Granian hands over a body that broke off as a shorter one. Of a JSON object one sees that it is cut; a form may end
anywhere, and would change what its author did not mean to change.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import status

from .errors import MalformedRequest, WireError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class LengthRequired(WireError):
    """411: a form that does not announce its length."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    code = "length_required"

    def sentence(self) -> str:
        return _("Un formulaire doit annoncer sa longueur (Content-Length).")


class Incomplete(MalformedRequest):
    """400: less came than was announced."""

    def sentence(self) -> str:
        return _("Le corps de la requête est incomplet.")


UNREAD = (LengthRequired, Incomplete)


def receive(environ: WSGIEnvironment) -> bool:
    """Waits for the body and puts it in `wsgi.input`, unless it is announced as too long: that is told once the caller
    is known. Raises LengthRequired and Incomplete. Gives whether nothing of the request is left in the connection.

    Of a length and chunks hyper keeps the chunks, and closes the connection after them (RFC 9112 6.1).
    """
    announced = environ.get("CONTENT_LENGTH") or ""
    limit = settings.RDV_MAX_BODY_BYTES
    if "HTTP_TRANSFER_ENCODING" in environ:
        body = environ["wsgi.input"].read(limit + 1)  # one byte over the limit is enough to refuse it
        whole = bool(len(body) <= limit)
        if environ["CONTENT_TYPE"].partition(";")[0].strip().lower() in FORMS:
            raise LengthRequired  # only now: a connection closed with a body unread may take the answer along
    elif announced.isdecimal() and 0 < int(announced) <= limit:
        body = environ["wsgi.input"].read(int(announced))
        if len(body) < int(announced):
            raise Incomplete
        whole = True
    else:
        return not announced.isdecimal() or not int(announced)
    environ["wsgi.input"] = io.BytesIO(body)
    return whole
