"""The WSGI callable that the production server runs: `rdv.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rdv.settings")

application = get_wsgi_application()
