"""The program in this process, before a server that answers as the test says."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from rdv.api.openapi import document
from rdv_cli.main import main

ADDRESS = "https://rdv.agence.example"
OURS = {"X-RDV-Server": "0.1.0", "X-Request-Id": "5f0c6d1e-0000-4000-8000-000000000001"}
Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    """A home, its terminal and its server: `desk("absences", "list")` types a command."""

    home: Path
    capsys: Any
    environment: dict[str, str] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    descriptions: int = 0
    answer: Answer = lambda request: httpx.Response(200, json={})
    described: Any = None
    others: bool = False  # the server is none of ours
    screen: Screen | None = None
    slept: list[float] = field(default_factory=list)

    def __call__(self, *words: str) -> Ran:
        transport = httpx.MockTransport(self._answer)
        environment = {"HOME": str(self.home)} | self.environment
        with redirect_stdout(self.screen or sys.stdout):
            code = main(words, environment, transport, sleep=self.slept.append)
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/openapi.json" and self.described is not False:
            self.descriptions += 1
            if callable(self.described):
                return self.described(request)
            language = request.headers["accept-language"]
            return httpx.Response(200, json=self.described or document(language), headers={"ETag": f'W/"{language}"'})
        self.requests.append(request)
        response = self.answer(request)
        for name, value in () if self.others else OURS.items():
            response.headers.setdefault(name, value)
        return response

    @property
    def folder(self) -> Path:
        return self.home / ".config" / "rdv"

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def types(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What comes by the standard input."""
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.fixture
def desk(tmp_path: Path, capsys: Any) -> Desk:
    return Desk(tmp_path, capsys, {"RDVCLI_SERVER": ADDRESS, "RDVCLI_TOKEN": "rdv_pat_secret", "LANG": "en_GB.UTF-8"})
