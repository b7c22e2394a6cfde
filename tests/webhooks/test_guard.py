"""No way into the inner network (I11): judged by the very address that a connection is made to."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from webhooks import guard
from webhooks.guard import Refused, is_public, target_of
from webhooks.sending import Outcome, Sender

from .receiver import Receiver

pytestmark = pytest.mark.no_database

PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "92.222.1.1",
    "2001:4860:4860::8888",
    "2a01:e0a::1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
)
INNER = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0a00:1", "::127.0.0.1", "::7f00:1"),
    *("fe80::1", "fe80::1%eth0", "2001:4860:4860::8888%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:a00:1::1"),
    *("2001::1", "2001:db8::1", "100::1", "3fff::1", "5f00::1"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_called(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", INNER)
def test_an_address_of_some_inner_network_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", INNER)
def test_nor_is_it_taken_as_a_target(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused):
        target_of(f"https://{host}/hooks")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://partenaire.test/hooks", "scheme"),
        ("ftp://partenaire.test/hooks", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme"),
        ("/hooks", "scheme"),
        ("https://", "malformed"),
        ("https:///hooks", "malformed"),
        ("https://partenaire.test:zut/", "malformed"),
        ("https://partenaire.test/#part", "malformed"),
        ("https://0177.0.0.1/", "malformed"),
        ("https://parte naire.test/", "malformed"),
        ("https://partenaire.test/\r\nX-Other: 1", "malformed"),
        ("https://moi:secret@partenaire.test/", "userinfo"),
        ("https://partenaire.test\\@autre.test/", "userinfo"),
        ("https://partenaire.test:22/", "port"),
        ("https://partenaire.test:6379/", "port"),
        ("https://partenaire.test/" + "a" * 3000, "too_long"),
    ],
)
def test_what_the_text_of_an_address_tells_is_refused_at_once(url: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        target_of(url)
    assert refused.value.code == code


def test_an_address_is_taken_apart_once() -> None:
    target = target_of("https://Partenaire.test:8443/hooks/é?clé=1")
    assert (target.scheme, target.host, target.port) == ("https", "partenaire.test", 8443)
    assert target.path == "/hooks/%C3%A9?cl%C3%A9=1"
    assert target.authority == "partenaire.test:8443"
    assert target_of("https://partenaire.test/").authority == "partenaire.test"
    assert target_of("https://[2a01:e0a::1]/").authority == "[2a01:e0a::1]"


def test_without_tls_only_where_the_server_is_told_so(settings: Any) -> None:
    settings.RDV_WEBHOOKS_HTTP = True
    assert target_of("http://partenaire.test/hooks").port == 80
    with pytest.raises(Refused) as refused:
        target_of("http://partenaire.test:8080/hooks")
    assert refused.value.code == "port"


def post(url: str, **options: Any) -> Outcome:
    async def once() -> Outcome:
        async with Sender(**options) as sender:
            return await sender.post(url, b"{}", {})

    return asyncio.run(once())


def test_this_machine_is_not_called_unless_a_setting_allows_it() -> None:
    with Receiver() as receiver:
        assert post(f"https://localhost:{receiver.port}/").error == "port"
        for url in (receiver.url, f"http://localhost:{receiver.port}/", f"http://0x7f.1:{receiver.port}/"):
            assert post(url).error == "scheme"
    assert receiver.requests == []


@pytest.mark.parametrize("name", ["localhost", "0x7f.1", "2130706433", "127.1"])
def test_another_way_to_write_this_machine_is_this_machine(settings: Any, name: str) -> None:
    with Receiver() as receiver:
        settings.RDV_WEBHOOKS_HTTP, settings.RDV_WEBHOOKS_PORTS = True, {receiver.port}
        assert post(f"http://{name}:{receiver.port}/").error == "private_address"
    assert receiver.requests == []


class LyingDns:
    """Answers each question with the next of its answers, the last one again and again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that connections were made to; none is made."""
    reached: list[str] = []

    async def connect(self: Any, host: str, port: int, **_options: Any) -> Any:
        reached.append(host)
        raise guard.httpcore.ConnectError("a test goes nowhere")

    monkeypatch.setattr(guard.httpcore.AnyIOBackend, "connect_tcp", connect)
    return reached


def test_the_address_that_was_judged_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch, reached: list[str]
) -> None:
    """DNS rebinding: public when it is judged, within when it is called, if it were asked again."""
    dns = LyingDns(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(guard, "resolve", dns)
    assert post("https://rebind.test/").error == "connection"
    assert (dns.asked, reached) == (1, ["8.8.8.8"])
    assert post("https://rebind.test/").error == "private_address"
    assert reached == ["8.8.8.8"]


@pytest.mark.parametrize("answer", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"]])
def test_a_name_that_also_leads_within_is_not_called(
    monkeypatch: pytest.MonkeyPatch, reached: list[str], answer: list[str]
) -> None:
    monkeypatch.setattr(guard, "resolve", LyingDns(answer))
    assert post("https://both.test/").error == "private_address"
    assert reached == []


def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, reached: list[str]) -> None:
    monkeypatch.setattr(guard, "resolve", LyingDns(["8.8.8.8", "1.1.1.1"]))
    assert post("https://two.test/").error == "connection"
    assert reached == ["8.8.8.8", "1.1.1.1"]


def test_a_name_that_leads_nowhere_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(host: str, port: int) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(guard, "resolve", nowhere)
    assert post("https://nowhere.test/").error == "unresolved"


def test_a_network_that_is_allowed_is_called_at_any_port(settings: Any) -> None:
    settings.RDV_WEBHOOKS_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    with Receiver() as receiver:
        assert post(receiver.url).succeeded
        assert post("https://10.0.0.1/").error == "private_address"
