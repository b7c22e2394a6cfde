"""What other apps may want to know of agents."""

from django.dispatch import Signal

# Sent with `agent`, inside the transaction of their soft deletion: what hangs on them must go too.
agent_left = Signal()
