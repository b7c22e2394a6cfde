"""From an outbox row to a receiver: everything after a `Delivery` exists (docs/webhooks.md).

`schedule` says when to try again, `due` what may be sent now, `claims` takes it and keeps what came of it, `worker`
does it; `endings` is what ends an endpoint, and what brings it back.
"""
