"""The parts: each pinned with its digests, none with an address, and a hole told from silence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from supply import holes

pytestmark = pytest.mark.no_database

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("", "benchmarks", "supply")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<marker> ; .+?)? \\$", re.MULTILINE)


def asked(folder: str) -> dict[str, str]:
    """What requirements.in asks for."""
    lines = (ROOT / folder / "requirements.in").read_text().splitlines()
    asked = [line.split("#")[0].strip() for line in lines]
    pairs = [line.split("==") for line in asked if line and not line.startswith("-")]
    return {normal(re.sub(r"\[.*]", "", name)): version for name, version in pairs}


def pinned(folder: str) -> list[tuple[str, str, str]]:
    text = (ROOT / folder / "requirements.txt").read_text()
    return [(normal(pin["name"]), pin["version"], pin["marker"] or "") for pin in PIN.finditer(text)]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_installed_is_what_was_asked_for(folder: str) -> None:
    pins = {name: version for name, version, _marker in pinned(folder)}
    assert asked(folder).items() <= pins.items()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_part_has_its_digests(folder: str) -> None:
    entries = (ROOT / folder / "requirements.txt").read_text().replace("\\\n", "").splitlines()
    entries = [entry for entry in entries if entry and not entry.lstrip().startswith("#")]
    assert len(entries) == len(pinned(folder))
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_part_is_named_and_never_fetched_from_an_address(folder: str) -> None:
    for name in ("requirements.in", "requirements.txt"):
        assert (
            re.findall(
                r"(?:http|https|file|ssh)://|--(?:extra-)?index|--find-links|^-f|@", (ROOT / folder / name).read_text()
            )
            == []
        )


def test_every_file_of_parts_has_one_version_of_each() -> None:
    """Beside another platform's: what is tested and measured is what is run."""
    ours = set(pinned(""))
    for folder in FOLDERS[1:]:
        other = {pin for pin in pinned(folder) if pin[0] in {name for name, _version, _marker in ours}}
        assert {pin[:2] for pin in other} <= {pin[:2] for pin in ours}


def test_the_published_list_of_parts_is_what_is_installed() -> None:
    published = json.loads((ROOT / "supply" / "parts.cdx.json").read_text())["components"]
    parts = {(normal(part["name"]), part["version"]) for part in published}
    everywhere = {(name, version) for name, version, marker in pinned("") if not marker}
    assert everywhere <= parts <= {pin[:2] for pin in pinned("")}


def report(*parts: dict[str, object]) -> str:
    return json.dumps({"dependencies": parts, "fixes": []})


def test_a_known_hole_fails_the_audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hole = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"], "aliases": [], "description": ""}
    answer = holes.read(report({"name": "django", "version": "5.2.19", "vulns": [hole]}))
    monkeypatch.setattr(holes, "ask", lambda database, requirements: answer)
    assert holes.main(["requirements.txt"]) == 1
    assert "HOLE in django 5.2.19: PYSEC-2026-1; mended in 5.2.20" in capsys.readouterr().out


def test_nothing_found_passes_and_says_how_much_was_looked_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = holes.read(report({"name": "django", "version": "5.2.19", "vulns": []}))
    monkeypatch.setattr(holes, "ask", lambda database, requirements: answer)
    assert holes.main(["requirements.txt"]) == 0
    assert capsys.readouterr().out == "requirements.txt: 0 known holes in 1 parts looked up.\n"


@pytest.mark.parametrize("answer", [None, report({"name": "django", "skip_reason": "Dependency not found on PyPI"})])
def test_a_closed_network_neither_fails_nor_passes_for_a_clean_bill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str | None
) -> None:
    """Some closed networks answer "not found" to everything: that is no look either."""
    monkeypatch.setattr(holes, "ask", lambda database, requirements: answer and holes.read(answer))
    assert holes.main(["requirements.txt"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("NOT LOOKED AT")
    assert "0 known holes" not in told


def test_a_part_that_one_database_does_not_know_is_looked_up_in_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known, unknown = (
        {"name": "django", "version": "5.2.19", "vulns": []},
        {"name": "orjson", "skip_reason": "not found"},
    )
    answers = {
        "pypi": holes.read(report(known, unknown)),
        "osv": holes.read(report({"name": "orjson", "version": "3.13.0", "vulns": []})),
    }
    monkeypatch.setattr(holes, "ask", lambda database, requirements: answers[database])
    assert holes.main(["requirements.txt"]) == 0
    assert capsys.readouterr().out == "requirements.txt: 0 known holes in 2 parts looked up.\n"
    answers["osv"] = None
    holes.main(["requirements.txt"])
    assert "NOT LOOKED AT, since no database knows them: orjson" in capsys.readouterr().out
