"""What apps may want to know of how requests went."""

from django.dispatch import Signal

# Sent with `request`, `view` and `error`, a WireError: a 401, a 403, or whatever is said of a credential that is known
# and not accepted. What was begun is undone already.
refused = Signal()
