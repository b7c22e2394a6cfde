"""What follows when a delivery is answered so or so."""

from __future__ import annotations

import re

import pytest

from conformance import expect
from conformance.deliveries import LATEST, is_left_alone, is_sent, is_signed, is_the_same_event, is_tried_again
from conformance.material import made, titled, valid

pytestmark = pytest.mark.contract("5.5")

FAILURES = (302, 404, 500)
SUCCESSES = (200, 202)
ELSEWHERE = "?elsewhere"
ANSWER = re.compile(r"Réponse (\d+)")


@pytest.fixture(scope="module")
def attempts(server, cast, subscriber):
    """By the status that the first was answered with, the attempts to tell of an absence, all others of which were a
    success; and what came where the redirect led.
    """
    caller, places = cast.steward
    tried, followed = {}, []

    def behave(delivery):
        if delivery.path.endswith(ELSEWHERE):
            followed.append(delivery)
            return 204, {}
        status = int(ANSWER.search(delivery.body.decode())[1])
        tried.setdefault(status, []).append(delivery)
        if len(tried[status]) > 1:
            return 204, {}
        return status, {"Location": box.url + ELSEWHERE} if status == 302 else {}

    box = subscriber.endpoint(caller, server.place_id(places[0]), behave=behave)
    for status in FAILURES + SUCCESSES:
        made(caller, valid(server.id_of(caller.who)), title=titled(f"Réponse {status}"))
    subscriber.wait(box, lambda came: len(came) >= len(FAILURES + SUCCESSES))

    def over(_came):
        again = {status for status, attempts in tried.items() if len(attempts) > 1}
        return again >= set(FAILURES) or again & set(SUCCESSES) or followed

    box.wait(over, LATEST)
    subscriber.listen_on()
    # What comes of their end finds no endpoint.
    assert not server.tidy()
    return tried, followed


@pytest.mark.parametrize("status", FAILURES)
def test_what_failed_is_sent_again_some_seconds_later_and_is_the_same(attempts, subscriber, status):
    tried, _followed = attempts
    is_tried_again(tried[status])
    for attempt in tried[status]:
        is_sent(attempt)
        is_signed(attempt, subscriber.secret)


@pytest.mark.contract("+webhooks")
@pytest.mark.parametrize("status", FAILURES)
def test_what_is_sent_again_has_the_id_of_the_first(attempts, status):
    tried, _followed = attempts
    expect.offered("webhook-id" in tried[status][0].headers, "webhook-id")
    is_the_same_event(tried[status])


def test_a_redirect_is_not_followed(attempts):
    tried, followed = attempts
    assert followed == []
    is_tried_again(tried[302])


@pytest.mark.parametrize("status", SUCCESSES)
def test_what_was_received_is_not_sent_again(attempts, status):
    tried, _followed = attempts
    is_left_alone(tried[status])
