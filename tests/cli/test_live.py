"""The installed program, as a process, with a real server on demo data."""

from __future__ import annotations

import codecs
import http.server
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rdv.api.openapi import document
from rdv_cli.document import Catalogue
from tests.server import serving

pytestmark = [pytest.mark.live, pytest.mark.any_database]

ROOT = Path(__file__).resolve().parents[2]
RDV = str(ROOT / "bin" / "rdv")
MARTINE = "martine@demo.rdv-solidarites.fr"
PASSWORD = "123456"


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    # Each request renews the triple, so that what is kept has to follow.
    with serving(
        tmp_path_factory.mktemp("demo"), "demo", RDV_TOKEN_ROTATION="request", RDV_TOKEN_BATCH_WINDOW="1s"
    ) as server:
        yield server.address


class Person:
    """Somebody at a terminal, in a home of their own."""

    def __init__(self, home: Path, address: str) -> None:
        self.home, self.address = home, address
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "en_GB.UTF-8",
            "PYTHON": sys.executable,
            "TERM": "xterm",
        }

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RDV, *words],
            cwd=self.home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def well(self, *words: str, stdin: str = "") -> str:
        done = self(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sign_in(self) -> None:
        self.well("sign-in", "--server", self.address, "--email", MARTINE, "--password-stdin", stdin=f"{PASSWORD}\n")

    @property
    def kept(self) -> dict[str, str]:
        return json.loads((self.home / ".config/rdv/credentials.json").read_text())["default"]

    def at_screen(self, *words: str, typed: dict[str, str] | None = None) -> tuple[int, str]:
        """The exit code and what a terminal shows; `typed`: after which words, what."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.home)
            os.execve(RDV, [RDV, *words], self.environment)
        shown, answers = "", dict(typed or {})
        utf_8 = codecs.getincrementaldecoder("utf-8")()  # what is read may end within a letter
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                shown += utf_8.decode(os.read(terminal, 4096))
            except OSError:  # the other end is closed
                break
            for question in [question for question in answers if question in shown]:
                self.seen_by_others(child)
                os.write(terminal, f"{answers.pop(question)}\n".encode())
        _child, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), shown

    def wait_until_it_waits(self) -> None:
        """Until the program knows what the server offers, and so comes to its standard input."""
        until = time.monotonic() + 60
        while time.monotonic() < until and not [*self.home.glob(".cache/rdv/*.json")]:
            time.sleep(0.05)
        time.sleep(0.5)

    def seen_by_others(self, process: int) -> None:
        """What anybody on the machine may read of a process."""
        line = Path(f"/proc/{process}/cmdline").read_bytes().decode()
        for secret in (PASSWORD, *self.secrets()):
            assert secret not in line

    def secrets(self) -> list[str]:
        path = self.home / ".config/rdv/credentials.json"
        return [one for one in (self.kept.get("access-token"), self.kept.get("token")) if one] if path.exists() else []


@pytest.fixture
def person(tmp_path, address) -> Person:
    return Person(tmp_path, address)


@pytest.fixture
def martine(person) -> Person:
    person.sign_in()
    return person


def test_a_day_at_the_command_line(martine):
    made = json.loads(
        martine.well(
            *("absences", "create", "--agent-email", MARTINE, "--title", "Formation"),
            *("--first-day", "2026-12-10", "--start-time", "09:00", "--end-time", "12:30"),
        )
    )["absence"]
    id = str(made["id"])
    assert made["title"] == "Formation"
    changed = martine.well(
        "absences", "update", id, "--data", "-", "--fields", "title,agent.email", stdin='{"title": "RTT"}'
    )
    assert json.loads(changed) == {"absence": {"title": "RTT", "agent": {"email": MARTINE}}}
    assert id in martine.well(
        "absences", "list", "--title", "RTT", "--from", "2026-12-10", "-o", "csv", "--fields", "id"
    )
    assert martine.well("absences", "delete", id) == ""
    gone = martine("absences", "show", id)
    assert (gone.returncode, gone.stdout) == (5, "")
    assert "Request " in gone.stderr


def test_every_row_is_walked(martine):
    everything = martine.well("absences", "list", "--all", "-o", "ndjson", "--fields", "id").splitlines()
    first = json.loads(martine.well("absences", "list", "--per", "1"))
    assert len(everything) == len(set(everything)) == first["meta"]["total_count"] > 100
    assert len(martine.well("absences", "list", "--limit", "101", "-o", "ndjson", "--fields", "id").splitlines()) == 101


class Lossy:
    """Stands before a server; once `armed`, hangs up on one answer to a POST: what was asked for is done, unseen."""

    def __init__(self, address: str) -> None:
        self.port = int(address.rpartition(":")[2])
        self.armed = False
        self.keys: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Lossy:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _where = self._listening.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self.port)) as server:
                while asked := self._whole(client):
                    server.sendall(asked)
                    answered = self._whole(server)
                    if asked.startswith(b"POST"):
                        keys = re.findall(rb"(?i)^idempotency-key: (.*)\r$", asked, re.MULTILINE)
                        self.keys += keys if b"/absences" in asked else []
                        if self.armed:
                            self.armed = False
                            break
                    client.sendall(answered)

    @staticmethod
    def _whole(connection: socket.socket) -> bytes:
        """One message: its head, and a body as long as the head says."""
        message = b""
        while b"\r\n\r\n" not in message:
            read = connection.recv(65536)
            if not read:
                return message
            message += read
        head, _gap, body = message.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


def test_a_creation_whose_answer_was_lost_is_made_once(martine):
    with Lossy(martine.address) as lossy:
        martine.well(
            "sign-in",
            "--server",
            lossy.address,
            "--email",
            MARTINE,
            "--password-stdin",
            "--profile",
            "lossy",
            stdin=f"{PASSWORD}\n",
        )
        lossy.armed = True
        made = martine(
            *("absences", "create", "--agent-email", MARTINE, "--title", "Une seule", "--profile", "lossy"),
            *("--first-day", "2026-12-14", "--start-time", "09:00", "--end-time", "12:30"),
        )
    assert made.returncode == 0, made.stderr
    assert "next try in 0.5 s" in made.stderr
    assert len(lossy.keys) == 2
    assert len(set(lossy.keys)) == 1
    (one,) = json.loads(martine.well("absences", "list", "--title", "Une seule", "--fields", "id"))["absences"]
    assert one["id"] == json.loads(made.stdout)["absence"]["id"]


def test_nobodys_change_is_lost(martine):
    etag = martine.well("absences", "show", "2", "--print-header", "ETag").strip()
    assert json.loads(
        martine.well("absences", "update", "2", "--title", "Premier", "--if-match", etag, "--fields", "title")
    )
    late = martine("absences", "update", "2", "--title", "Second", "--if-match", etag)
    assert (late.returncode, late.stdout) == (7, "")
    assert json.loads(martine.well("absences", "show", "2", "--fields", "title")) == {"absence": {"title": "Premier"}}


def test_errors_are_told_field_by_field(martine):
    done = martine("absences", "create", "--agent-email", MARTINE, "--first-day", "2026-02-30", "--start-time", "08h")
    assert (done.returncode, done.stdout) == (6, "")
    for field in ("first_day", "start_time", "end_time", "title"):
        assert f"  {field} " in done.stderr


def test_the_triple_follows_what_the_server_renews(martine):
    seen = {martine.kept["access-token"]}
    for _ in range(2):
        time.sleep(1.1)
        assert MARTINE in martine.well("me", "show")
        seen.add(martine.kept["access-token"])
    assert len(seen) == 3
    assert stat.S_IMODE((martine.home / ".config/rdv/credentials.json").stat().st_mode) == 0o600


def test_one_signs_out(martine):
    triple = martine.kept
    martine.well("sign-out")
    assert martine("me", "show", "--server", martine.address).returncode == 3
    (martine.home / ".config/rdv/credentials.json").write_text(json.dumps({"default": triple}))
    done = martine("me", "show")
    assert done.returncode == 3
    assert "rdv sign-in" in done.stderr


def test_a_key_is_made_and_used_and_ended(martine, tmp_path):
    made = json.loads(martine.well("tokens", "create", "--name", "night", "--read-only", "--resources", "absences"))
    secret = made["token"]["secret"]
    night = Person(tmp_path / "night", martine.address)
    night.home.mkdir()
    night.well("sign-in", "--server", night.address, "--key", stdin=f"{secret}\n")
    assert json.loads(night.well("absences", "list", "--per", "1"))["absences"]
    refused = night("absences", "delete", "1")
    assert refused.returncode == 4
    shown = night("me", "show", "--verbose")
    assert secret not in shown.stdout + shown.stderr
    assert night("doctor").returncode == 0
    martine.well("tokens", "delete", str(made["token"]["id"]))
    done = night("doctor", "-o", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["findings"][-1]["check"] == "credential:unknown"


def test_the_password_is_typed_unseen(person):
    code, shown = person.at_screen(
        "sign-in", typed={"Address of the server": person.address, "Email:": MARTINE, "Password:": PASSWORD}
    )
    assert code == 0, shown
    assert "Signed in at" in shown
    assert PASSWORD not in shown
    assert person.secrets()[0] not in shown


def test_a_secret_of_an_operation_is_asked_for_unseen(person):
    person.environment["RDVCLI_SERVER"] = person.address
    code, shown = person.at_screen(
        *("auth", "login", "--username", MARTINE, "--password", "-", "--output", "json"), typed={"password": PASSWORD}
    )
    assert code == 0, shown
    assert "access_token" in shown
    assert PASSWORD not in shown


def test_nobody_sees_a_secret_in_the_list_of_processes(martine):
    """Looked at as the program runs: it waits for its standard input with the triple in hand."""
    process = subprocess.Popen(
        [RDV, "absences", "update", "1", "--data", "-"],
        env=martine.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        martine.wait_until_it_waits()
        assert b"rdv_cli" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        martine.seen_by_others(process.pid)
    finally:
        process.communicate(b"{}", timeout=60)


def test_the_manual_opens_in_the_pager(person, tmp_path):
    (tmp_path / "pager").write_text('#!/bin/sh\ncat > "$HOME/paged"\n')
    (tmp_path / "pager").chmod(0o755)
    person.environment |= {"PAGER": str(tmp_path / "pager"), "RDVCLI_SERVER": person.address}
    code, shown = person.at_screen("help", "absences", "create")
    assert (code, shown) == (0, "")
    page = (tmp_path / "paged").read_text()
    assert "\x1b[1mNAME\x1b[0m" in page
    assert "rdv absences create - Create an absence" in page


def test_a_table_with_a_bar_at_a_screen(martine):
    code, shown = martine.at_screen("absences", "list", "--all", "--fields", "id,title")
    assert code == 0
    assert "id" in shown.splitlines()[0] or "title" in shown
    assert "\x1b[" in shown


def test_an_interruption_is_told_by_its_code(martine):
    process = subprocess.Popen(
        [RDV, "absences", "update", "1", "--data", "-"],
        env=martine.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A job in the background is born deaf to it, and so are these tests when they are one.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    martine.wait_until_it_waits()
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_has_enough_is_no_error(martine):
    done = subprocess.run(
        ["bash", "-c", f"{RDV} absences list --all -o ndjson | head -n 1; echo ${{PIPESTATUS[0]}}"],
        env=martine.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1] in ("0", "141")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_every_operation_has_its_page_in_both_languages(person):
    person.environment["RDVCLI_SERVER"] = person.address
    for language, name in (("fr", "NOM"), ("en", "NAME")):
        for operation in Catalogue.of(document(language)).operations:
            if operation.group in ("tokens", "api"):
                page = person.well("help", operation.group, operation.command, "--lang", language)
                assert page.startswith(
                    f"{name}\n       rdv {operation.group} {operation.command} - {operation.summary}"[:60]
                )


def test_the_doctor_knows_a_server_that_is_none_of_ours(person):
    class Other(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            done = person("doctor", "--server", f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
            thread.join()
    assert done.returncode == 1
    assert "This is no RDV server" in done.stdout
    gone = person("doctor", "--server", f"http://127.0.0.1:{other.server_port}")
    assert gone.returncode == 8
    assert "connection refused" in gone.stdout


def test_the_doctor_finds_this_one_well(martine):
    done = martine("doctor", "--output", "json")
    assert done.returncode == 0, done.stdout
    assert {one["state"] for one in json.loads(done.stdout)["findings"]} == {"ok"}
