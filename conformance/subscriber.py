"""Who has webhook endpoints on the server, and hears what they are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest

from .client import Caller, Server
from .receiver import Behaviour, Delivery, Mailbox, Receiver, takes_it

SILENCE = 0.5  # seconds after which what has not come is not expected to


class Subscriber:
    """`insists`: whoever runs the kit said where the receiver is, so that silence is the server's fault."""

    patience = 20.0  # seconds for what must come

    def __init__(self, server: Server, receiver: Receiver, *, insists: bool = False) -> None:
        self.server = server
        self.receiver = receiver
        self.secret = f"secret-{uuid4().hex}"
        server.secrets.add(self.secret)
        self._insists = insists

    def endpoint(self, caller: Caller, organisation: int, *, behave: Behaviour = takes_it, **changes: Any) -> Mailbox:
        """An endpoint that the caller makes, removed after the test; it is told of absences from now on. `changes`: to
        what is sent, None leaves it out; `behave`: how deliveries are answered.
        """
        if self.server.unreachable:
            pytest.skip(self.server.unreachable)
        box = self.receiver.mailbox()
        box.behave = behave
        values = {"target_url": box.url, "secret": self.secret, "subscriptions": ["absence"], "trigger": False}
        sent = {name: value for name, value in (values | changes).items() if value is not None}
        path = f"/organisations/{organisation}/webhook_endpoints"
        answer = caller.post(path, json=sent)
        if answer.status_code == 422 and "target_url" in answer.json().get("errors", ()):
            self._give_up(f"the server does not send webhooks to {self.receiver.address}: {answer.text}")
        assert answer.status_code == 200, f"POST {path}: {answer.status_code} {answer.text}"
        box.path = f"{path}/{answer.json()['webhook_endpoint']['id']}"
        return box

    def wait(self, box: Mailbox, enough: Callable[[Sequence[Delivery]], object]) -> None:
        """Until what came is enough. What never comes is a failure; but where nothing ever did, and nobody said that
        the server reaches the receiver, the test is skipped.
        """
        came = box.wait(lambda deliveries: bool(enough(deliveries)), self.patience)
        self.server.deliveries += box.deliveries
        self.server.reached |= bool(box.deliveries)
        if came:
            return
        if not self.server.reached:
            self._give_up(f"nothing arrived at {self.receiver.address} in {self.patience:g} s")
        pytest.fail(f"of what should arrive, {len(box.deliveries)} did in {self.patience:g} s", pytrace=False)

    def listen_on(self) -> None:
        """For what should not come."""
        time.sleep(SILENCE)

    def _give_up(self, reason: str) -> None:
        if self._insists:
            pytest.fail(f"{reason} (--receiver)", pytrace=False)
        self.server.unreachable = f"{reason}; see --receiver"
        pytest.skip(self.server.unreachable)
