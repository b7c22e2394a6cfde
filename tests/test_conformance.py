"""The conformance kit holds our own server to the contract, and sees whoever lies about it (tests/lies.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from conformance import client, plugin
from conformance.client import MASK, Secrets
from conformance.deliveries import is_signed, is_the_same_event, is_tried_again
from conformance.directory import Directory
from conformance.receiver import LONGEST, Delivery, Receiver, is_loopback
from conformance.sections import SECTIONS, is_within, order
from conformance.subscriber import Subscriber

from .oracle import Person, World, agents_of_organisation, sees, visible_services
from .server import ROOT, Server, serving

KIT = ROOT / "conformance"
DIRECTORY = KIT / "directory.json"


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """A server with nothing but the kit's directory, which sends webhooks to this machine. Behind the proxy that lies,
    each lie has an address of its own.
    """
    with serving(
        tmp_path_factory.mktemp("conformance"),
        "provision",
        str(DIRECTORY),
        RDV_SIGN_IN_LIMIT="10/15m",
        RDV_TRUSTED_PROXIES="1",
        RDV_WEBHOOKS_ALLOWED_NETWORKS="127.0.0.0/8",
        WEBHOOKS_WORKER="1",
    ) as server:
        yield server


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The kit as its users run it, from elsewhere."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conformance.plugin", "--pyargs", "conformance", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def absences(server: Server) -> str:
    return server.manage("shell", "-v", "0", "-c", COUNT).strip()


COUNT = """
from absences.models import Absence
from agents.models import ClientToken, Organisation
from webhooks.models import WebhookEndpoint
print(Absence.objects.count(), WebhookEndpoint.objects.count(), ClientToken.objects.filter(revoked_at=None).count(),
      list(Organisation.objects.order_by("pk").values_list("name", "phone_number", "email", "verticale")))
"""


@pytest.mark.live
def test_our_server_keeps_every_promise_and_is_left_as_it_was(applied, tmp_path):
    before = absences(applied)
    done = run("--address", applied.address, "--directory", str(DIRECTORY), "--rate", "0", "-q", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert " passed in " in last
    assert "skipped" not in last, done.stdout
    assert "promises that were not checked" not in done.stdout
    assert absences(applied) == before


@pytest.mark.live
@pytest.mark.any_database
def test_every_lie_is_noticed_in_the_section_that_it_concerns(applied):
    """And the test that noticed it passes when the same proxy tells the truth."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lies", applied.address, str(DIRECTORY)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    caught: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert len(caught) > 190
    assert [lie for lie, found in caught.items() if not found["noticed"]] == []
    assert [lie for lie, found in caught.items() if not found["passes"]] == []
    # Every section that has tests has lies that these notice.
    assert {lie.split()[0] for lie in caught} == {section for section in SECTIONS if not SECTIONS[section].untested}


@pytest.mark.live
@pytest.mark.any_database
def test_a_failure_tells_the_section_the_request_and_the_answer_and_no_secret(applied, tmp_path):
    """With a file that says less than the server knows: an admin who is said to be none."""
    document = json.loads(DIRECTORY.read_text(encoding="utf-8"))
    adele = next(agent for agent in document["agents"] if agent["first_name"] == "Adèle")
    adele["roles"][0]["access_level"] = "basic"
    lie = tmp_path / "lie.json"
    lie.write_text(json.dumps(document), encoding="utf-8")
    done = run(
        *("--address", applied.address, "--directory", str(lie), "--rate", "0", "--only", "3.3", "-q"),
        folder=tmp_path,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert done.returncode == 1
    assert "contract 3.3: Who sees and may do what" in done.stdout
    assert "> GET " in done.stdout
    assert "> access-token: " + MASK in done.stdout
    assert "< 200" in done.stdout
    for agent in document["agents"]:
        assert agent.get("password", "\0") not in done.stdout


@pytest.mark.no_database
def test_the_sections_are_printed_with_their_tests_and_each_has_some_or_a_reason(tmp_path):
    done = run("--sections", folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout + done.stderr
    tests: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        section = next((name for name in SECTIONS if line == f"{name}  {SECTIONS[name].title}"), None)
        if section:
            tests[section] = []
        elif tests and line.startswith("      "):
            tests[list(tests)[-1]].append(line.strip())
    assert list(tests) == list(SECTIONS)
    for section, (_title, untested) in SECTIONS.items():
        assert tests[section] == [f"- no test: {untested}"] if untested else len(tests[section]) > 0, section
        assert untested or not tests[section][0].startswith("- no test")


@pytest.mark.no_database
def test_without_address_the_kit_says_what_it_needs(tmp_path):
    done = run(folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 4
    assert "needs --address and --directory" in done.stderr


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("address", "content", "sentence"),
    [
        ("rdv.example", "{}", "begins with http:// or https://"),
        ("http://rdv.example", None, "cannot be read"),
        ("http://rdv.example", "[]", "is no directory file: an object is expected"),
        ("http://rdv.example", "{", "is no directory file"),
        ("http://rdv.example", '{"agents": [{}]}', "is no directory file: 'email' is missing from an item"),
        ("http://rdv.example", '{"agents": [{"email": "a@b.fr"}]}', "no active agent has a password"),
        (
            "http://rdv.example",
            '{"agents": [{"email": "a@b.fr", "roles": [{"organisation": "Nulle part"}]}]}',
            "'Nulle part' names no organisation of the file",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path, address, content, sentence):
    path = tmp_path / "directory.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    options = SimpleNamespace(address=address, directory=path, rate=0)
    with pytest.raises(pytest.UsageError) as refused:
        plugin.server_of(options)
    assert sentence in str(refused.value)


@pytest.mark.no_database
def test_a_server_that_does_not_answer_is_a_failure_that_says_so(tmp_path):
    given = (
        "--address",
        "http://127.0.0.1:9",
        "--directory",
        str(DIRECTORY),
        "--rate",
        "0",
        "--only",
        "2.2",
        "-x",
        "-q",
    )
    done = run(*given, folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 1
    assert "no answer (ConnectError" in done.stdout


def test_what_a_file_cannot_show_is_skipped_and_listed_at_the_end(applied, tmp_path):
    """Of a file with one agent, that sees nobody else: the promise is named, and why it was not checked."""
    document = json.loads(DIRECTORY.read_text(encoding="utf-8"))
    adele = [agent for agent in document["agents"] if agent["first_name"] == "Adèle"]
    small = tmp_path / "small.json"
    small.write_text(json.dumps({**document, "agents": adele, "absences": []}), encoding="utf-8")
    given = ("--address", applied.address, "--directory", str(small), "--rate", "0", "--only", "1.9", "-q")
    done = run(*given, folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout
    assert "promises that were not checked" in done.stdout
    assert "1.9  an absence out of sight" in done.stdout
    assert "the directory file has nobody" in done.stdout


@pytest.fixture
def polite(monkeypatch):
    """A kit that asks at most ten times a second, of a server whose answers are given; and how long it waited."""
    waits: list[float] = []
    now = [100.0]

    def sleep(seconds):
        waits.append(round(seconds, 6))
        now[0] += seconds

    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))

    def answering(*answers):
        given = iter(answers)
        server = client.Server("http://rdv.example/", Directory({}), rate=10)
        server._http = httpx.Client(transport=httpx.MockTransport(lambda _request: next(given)))
        return server, waits

    return answering


def test_it_asks_no_more_often_than_its_rate(polite):
    server, waits = polite(*(httpx.Response(200) for _time in range(3)))
    for _time in range(3):
        server.ask("GET", "/agents")
    assert waits == [0, 0.1, 0.1]


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_asked_to(polite, status):
    server, waits = polite(httpx.Response(status, headers={"Retry-After": "7"}), httpx.Response(200))
    assert server.ask("GET", "/agents").status_code == 200
    assert 7 in waits


def test_it_skips_what_would_make_it_wait_too_long(polite):
    server, waits = polite(httpx.Response(429, headers={"Retry-After": "900"}))
    with pytest.raises(pytest.skip.Exception, match="asks to wait 900 s"):
        server.ask("GET", "/agents")
    assert waits == [0]


def test_a_bug_of_the_server_fails_whatever_was_asked(polite):
    server, _waits = polite(httpx.Response(500))
    with pytest.raises(pytest.fail.Exception, match="500, a bug of the server"):
        server.ask("GET", "/agents")


ENDPOINT = "/organisations/7/webhook_endpoints"
MADE = {"webhook_endpoint": {"id": 3, "organisation_id": 7}}
NOT_CALLED = {"errors": {"target_url": [{"error": "invalid"}]}}


@pytest.fixture
def subscriber(polite, monkeypatch):
    """One of a server that gives these answers, and tells nothing."""
    monkeypatch.setattr(Subscriber, "patience", 0.01)
    receivers = []

    def answering(*answers, **kwargs):
        server, _waits = polite(*answers)
        receivers.append(Receiver())
        return Subscriber(server, receivers[-1], **kwargs)

    yield answering
    for receiver in receivers:
        receiver.close()


def test_what_is_told_is_skipped_where_the_server_does_not_call_the_receiver_and_said_why(subscriber):
    one = subscriber(httpx.Response(422, json=NOT_CALLED))
    for _time in range(2):  # it is asked once
        with pytest.raises(
            pytest.skip.Exception, match=r"does not send webhooks to http://127.0.0.1:\d+: .*; see --receiver"
        ):
            one.endpoint(one.server.anonymous, 7)


def test_what_is_told_is_skipped_where_nothing_ever_arrives(subscriber):
    one = subscriber(httpx.Response(200, json=MADE))
    box = one.endpoint(one.server.anonymous, 7)
    with pytest.raises(pytest.skip.Exception, match=r"nothing arrived at http://127.0.0.1:\d+ in 0.01 s"):
        one.wait(box, len)
    with pytest.raises(pytest.skip.Exception, match="nothing arrived"):
        one.endpoint(one.server.anonymous, 7)


def test_silence_is_a_failure_where_the_receiver_was_named(subscriber):
    one = subscriber(httpx.Response(200, json=MADE), httpx.Response(422, json=NOT_CALLED), insists=True)
    box = one.endpoint(one.server.anonymous, 7)
    with pytest.raises(pytest.fail.Exception, match="nothing arrived"):
        one.wait(box, len)
    with pytest.raises(pytest.fail.Exception, match="does not send webhooks"):
        one.endpoint(one.server.anonymous, 7)


def test_silence_is_a_failure_where_something_arrived_before(subscriber):
    one = subscriber(httpx.Response(200, json=MADE))
    box = one.endpoint(one.server.anonymous, 7)
    assert httpx.post(box.url, json={"data": {"id": 5}}, trust_env=False).status_code == 204
    one.wait(box, len)
    with pytest.raises(pytest.fail.Exception, match="of what should arrive, 1 did"):
        one.wait(box, lambda came: len(came) > 1)


def test_an_endpoint_that_cannot_be_removed_is_told_nothing_more(polite):
    """The contract has no way to remove one."""
    asked = []

    def answer(request):
        asked.append((request.method, request.url.path, request.content and json.loads(request.content)))
        return httpx.Response(404 if request.method == "DELETE" else 200, json=MADE)

    server, _waits = polite()
    server._http = httpx.Client(transport=httpx.MockTransport(answer))
    server.anonymous.post(ENDPOINT, json={})
    assert server.tidy() == []
    assert server.tidy() == []
    silence = {"target_url": "https://conformance.invalid/3", "subscriptions": [], "trigger": False}
    assert asked[1:] == [("DELETE", f"/api/v1{ENDPOINT}/3", b""), ("PATCH", f"/api/v1{ENDPOINT}/3", silence)]


@pytest.mark.no_database
def test_a_server_elsewhere_is_not_told_to_call_itself(tmp_path):
    done = run(
        *("--address", "https://rdv.example", "--directory", str(DIRECTORY), "--only", "5.5", "-q", "-k", "new_secret"),
        folder=tmp_path,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert done.returncode == 0, done.stdout
    assert "5.5  a new secret signs" in done.stdout
    assert "--receiver says by which address it reaches this one" in done.stdout


@pytest.mark.parametrize(
    ("address", "here"),
    [
        *(("http://127.0.0.1:8000", True), ("http://127.1.2.3/", True), ("http://[::1]:80", True)),
        *(("https://localhost", True), ("http://127.example", False), ("http://192.0.2.1:8000", False)),
    ],
)
def test_it_knows_a_server_on_this_machine(address, here):
    assert is_loopback(address) is here


def test_the_receiver_takes_what_is_sent_to_its_addresses_and_nothing_long():
    receiver = Receiver()
    box = receiver.mailbox()
    try:
        assert httpx.put(f"{box.url}?a=b", content=b"x", trust_env=False).status_code == 204
        assert httpx.post(f"{receiver.address}/else", content=b"x", trust_env=False).status_code == 404
        assert httpx.post(box.url, content=b"x" * (LONGEST + 1), trust_env=False).status_code == 404
    finally:
        receiver.close()
    ((method, body),) = [(one.method, one.body) for one in box.deliveries]
    assert (method, body) == ("PUT", b"x")


EXAMPLE = (
    b'{"data":{"id":31},"meta":{"model":"Absence","event":"destroyed","webhook_reason":null,'
    b'"timestamp":"2025-06-02 09:15:00 +0200"}}'
)
SIGNED = "8f9b6f4265489ac5209cdc7b1de114790ddf5f45210b2148cba8196e39b148a3"


def attempt(at=0.0, method="POST", body=EXAMPLE, signature=SIGNED, media="application/json; charset=utf-8"):
    return Delivery(method, "/", {"content-type": media, "x-lapin-signature": signature}, body, at)


def test_a_signature_is_that_of_the_example_of_the_contract():
    is_signed(attempt(), "secret-de-webhook")
    for false in (attempt(body=EXAMPLE + b" "), attempt(signature=SIGNED.upper())):
        with pytest.raises(AssertionError):
            is_signed(false, "secret-de-webhook")
    with pytest.raises(AssertionError):
        is_signed(attempt(), "secret-de-webhooks")


@pytest.mark.parametrize(
    "later",
    [
        [],
        [attempt(3.1), attempt(3.2)],
        [attempt(0.1)],
        [attempt(25)],
        [attempt(3.1, body=EXAMPLE + b" ")],
        [attempt(3.1, signature="0" * 64)],
        [attempt(3.1, method="PUT")],
        [attempt(3.1, media="application/json")],
    ],
)
def test_a_retry_that_is_none_or_another_is_noticed(later):
    is_tried_again([attempt(), attempt(3.1)])
    with pytest.raises(AssertionError):
        is_tried_again([attempt(), *later])


def event(name="evt_1", moment="100"):
    return Delivery("POST", "/", {"webhook-id": name, "webhook-timestamp": moment}, b"")


@pytest.mark.parametrize("later", [event(name="evt_2", moment="103"), event(), event(moment="99")])
def test_a_retry_with_another_id_or_the_moment_of_the_first_is_noticed(later):
    is_the_same_event([event(), event(moment="103")])
    with pytest.raises(AssertionError):
        is_the_same_event([event(), later])


def test_a_section_is_within_those_that_begin_as_it_does():
    assert is_within("1.10", "1")
    assert is_within("1.10", "1.10")
    assert not is_within("1.10", "1.1")
    assert order("1.2") < order("1.10") < order("2.1")


def test_a_secret_is_masked_in_every_writing():
    secrets = Secrets()
    secrets.add('mot "de" passe+é')
    for text in ('{"p":"mot \\"de\\" passe+\\u00e9"}', "p=mot+%22de%22+passe%2B%C3%A9", 'p=mot "de" passe+é'):
        assert "passe" not in secrets.mask(text)
        assert MASK in secrets.mask(text)


def test_who_sees_whom_is_as_our_own_oracle_says():
    """Two readings of the contract, made apart: that of the kit, over the file, and that of tests/oracle.py."""
    kit = Directory.read(DIRECTORY)
    world = World(
        organisations={name: number for number, name in kit.places},
        services=tuple(kit.services),
        secretariats=frozenset(kit.secretariats),
        people=tuple(
            Person(
                name=agent.email,
                services=agent.services,
                roles={name: level for (_number, name), level in agent.roles.items()},
                territories=agent.territories,
                active=agent.active,
            )
            for agent in kit.agents
        ),
        absences={},
    )
    assert len(kit.agents) > 10
    for a in kit.agents:
        for b in kit.agents:
            assert kit.sees(a, b) == sees(world, world.person(a.email), world.person(b.email)), (a.email, b.email)
        for place in kit.places:
            expected = agents_of_organisation(world, world.person(a.email), place[1])
            assert kit.of_place(a, place) == expected, (a.email, place)
        assert kit.services_shown_to(a) == visible_services(world, world.person(a.email)), a.email
