"""The WSGI callable that the production server runs: `rdv.wsgi:application`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rdv.settings")
django.setup(set_prefix=False)

from rdv.api.connections import watch  # noqa: E402 - Django must be set up first
from rdv.api.handler import WireHandler  # noqa: E402
from rdv.health import Health  # noqa: E402
from rdv.metrics import observed  # noqa: E402
from rdv.orphans import end_with_the_master  # noqa: E402

application = Health(observed(WireHandler()))
end_with_the_master()
watch()
