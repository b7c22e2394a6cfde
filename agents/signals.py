"""What other apps may want to know of agents, and of every row that the record tells of."""

from contextvars import ContextVar

from django.dispatch import Signal

# Sent with `agent`, inside the transaction of their soft deletion: before anything of theirs goes; then, when the rest
# is gone: what hangs on them must go too.
agent_leaving = Signal()
agent_left = Signal()

# Sent with `told`, a list of `Told`, inside the transaction: rows that were saved or deleted, one by one or in bulk;
# when somebody gathers (`agents.record.gathered`), all of them at the end.
rows_told = Signal()

# True while rows are destroyed because they were kept for long enough, and for no other reason (GDPR).
for_retention: ContextVar[bool] = ContextVar("for_retention", default=False)
