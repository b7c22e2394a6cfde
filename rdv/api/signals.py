"""What apps may want to know of how requests went."""

from django.dispatch import Signal

# Sent with `request`, `view` and `error`, a WireError: a 401, or a 403. What was begun is undone already.
refused = Signal()
