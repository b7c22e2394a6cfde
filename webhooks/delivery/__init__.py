"""From an outbox row to a receiver: everything after a `Delivery` exists (docs/webhooks.md).

`schedule` says when to try again, `claims` what is due and what came of it, `worker` does it; `endings` is what ends an
endpoint, and what brings it back.
"""
