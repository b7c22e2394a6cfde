"""The options, the marker `contract`, and the report: which section a test is of, what was asked and answered."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .client import MASK, Server, told
from .directory import Directory
from .sections import SECTIONS, is_within, order

pytest.register_assert_rewrite("conformance.deliveries", "conformance.expect", "conformance.material")

PROMISES = "conformance.promises."
SERVER: pytest.StashKey[Server] = pytest.StashKey()
OWN: pytest.StashKey[bool] = pytest.StashKey()
UNCHECKED: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()
# Of what a failed test asked, its last questions are told.
SHOWN = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance with the partner API of RDV-Solidarités")
    group.addoption("--address", help="of the server under test: https://rdv.agence.example")
    group.addoption("--directory", type=Path, help="the directory file that was applied to it, with passwords")
    group.addoption(
        "--only", action="append", default=[], metavar="SECTION", help="the tests of a section: 4.2, or 4; repeatable"
    )
    group.addoption(
        "--rate", type=float, default=10, help="requests a second at most; 0 for as many as come (default: 10)"
    )
    group.addoption(
        "--receiver",
        metavar="ADDRESS",
        help="where the server can reach the receiver of the kit: https://kit.example (default: 127.0.0.1, for a "
        "server on this machine)",
    )
    group.addoption(
        "--listen",
        type=listening,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where the receiver listens (default: 127.0.0.1, any port)",
    )
    group.addoption("--sections", action="store_true", help="print the sections of the contract with their tests")


def listening(text: str) -> tuple[str, int]:
    """Raises ValueError, as argparse expects."""
    host, _colon, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "contract(section): the section of the contract that a test holds")
    config.stash[UNCHECKED] = {}


def section_of(item: pytest.Item) -> str | None:
    """The section that a test of the kit is of; None for a test of somebody else."""
    if not getattr(getattr(item, "module", None), "__name__", "").startswith(PROMISES):
        return None
    marker = item.get_closest_marker("contract")
    if marker is None or marker.args[0] not in SECTIONS:
        raise pytest.UsageError(f"{item.nodeid} names no section of the contract.")
    return str(marker.args[0])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sections = {item: section_of(item) for item in items}
    if not any(sections.values()):
        return
    if not config.option.sections and SERVER not in config.stash:
        config.stash[SERVER] = server_of(config.option)
        config.stash[OWN] = True
    asked = [one for given in config.option.only for one in given.split(",")]
    for one in asked:
        if not any(is_within(section, one) for section in SECTIONS):
            raise pytest.UsageError(f"--only {one}: no such section; --sections prints them.")
    if asked:
        left_out = [
            item for item, section in sections.items() if section and not any(is_within(section, one) for one in asked)
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def server_of(options: Any) -> Server:
    """The server that the options name. Raises UsageError, which says what is wrong with them."""
    address, path, rate = options.address, options.directory, options.rate
    if not address or not path:
        raise pytest.UsageError("The conformance kit needs --address and --directory.")
    if not address.startswith(("http://", "https://")):
        raise pytest.UsageError(f"--address {address}: an address begins with http:// or https://.")
    try:
        directory = Directory.read(path)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if not any(agent.can_sign_in for agent in directory.agents):
        raise pytest.UsageError(f"{path}: no active agent has a password, so the kit cannot sign in.")
    return Server(address, directory, rate)


def table(items: list[pytest.Item]) -> dict[str, list[str]]:
    """The tests of each section, by the order of the contract."""
    tests: dict[str, dict[str, None]] = {section: {} for section in SECTIONS}
    for item in items:
        section = section_of(item)
        if section:
            tests[section][getattr(item, "originalname", item.name)] = None
    return {section: list(names) for section, names in tests.items()}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not session.config.option.sections:
        return None
    for section, names in table(session.items).items():
        title, untested = SECTIONS[section]
        print(f"\n{section}  {title}")
        for name in sorted(names):
            print(f"      {name.removeprefix('test_').replace('_', ' ')}")
        if untested:
            print(f"      - no test: {untested}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    section = section_of(item)
    if not section:
        return report
    report.user_properties.append(("contract", section))
    server = item.config.stash[SERVER]
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        item.config.stash[UNCHECKED].setdefault(f"{section}  {_sentence(item)}", []).append(reason)
    if report.failed:
        # Also what the report says by itself: an assertion shows the values that it compares.
        text = report.longreprtext
        masked = server.secrets.mask(text)
        if masked != text:
            report.longrepr = masked
        report.sections = [(name, server.secrets.mask(content)) for name, content in report.sections]
        exchanges = server.exchanges[-SHOWN:]
        report.sections.insert(0, (f"contract {section}: {SECTIONS[section].title}", _sentence(item)))
        for exchange in exchanges:
            report.sections.append((f"asked and answered (secrets are {MASK})", server.secrets.mask(told(exchange))))
        for delivery in server.deliveries[-SHOWN:]:
            report.sections.append((f"received (secrets are {MASK})", server.secrets.mask(str(delivery))))
    return report


def _sentence(item: pytest.Item) -> str:
    return item.name.removeprefix("test_").replace("_", " ")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    unchecked = config.stash[UNCHECKED]
    if unchecked:
        terminalreporter.section("promises that were not checked")
        for promise in sorted(unchecked, key=lambda one: (order(one.split()[0]), one)):
            terminalreporter.write_line(f"{promise}: {', '.join(dict.fromkeys(unchecked[promise]))}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(OWN, False):
        config.stash[SERVER].leave()
