"""Connections on which nothing was sent for too long are closed, and nothing else is."""

from __future__ import annotations

import datetime
import socket
import sqlite3
import subprocess
import sys

import pytest

from rdv.api.connections import let_go

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")

LONG = datetime.timedelta(hours=1)
AT_ONCE = datetime.timedelta(milliseconds=-1)


@pytest.fixture
def guest():
    """A client's end and the server's end of a connection to this process."""
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as client:
        inside, _address = door.accept()
        with inside:
            client.settimeout(10)
            yield client, inside


def test_a_guest_for_whom_nothing_was_sent_for_long_is_let_go(guest):
    client, _inside = guest
    assert let_go(AT_ONCE) == 1
    assert client.recv(1) == b""


def test_others_stay(guest):
    client, inside = guest
    assert let_go(LONG) == 0
    inside.sendall(b"a")
    assert client.recv(1) == b"a"


def test_a_connection_that_we_made_stays():
    elsewhere = """
import socket
with socket.create_server(("127.0.0.1", 0)) as door:
    print(door.getsockname()[1], flush=True)
    guest, _address = door.accept()
    guest.sendall(guest.recv(1))
"""
    with subprocess.Popen([sys.executable, "-c", elsewhere], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        with socket.create_connection(("127.0.0.1", int(other.stdout.readline())), timeout=10) as ours:
            assert let_go(AT_ONCE) == 0
            ours.sendall(b"a")
            assert ours.recv(1) == b"a"


def test_an_sqlite_database_keeps_its_locks(guest, tmp_path):
    """POSIX has it that to close any descriptor of a file gives up all locks of the process on that file."""
    file = tmp_path / "x.sqlite3"
    with sqlite3.connect(file) as writer:
        writer.execute("CREATE TABLE t (x)")
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        let_go(AT_ONCE)
        other = f"""
import sqlite3
try:
    sqlite3.connect({str(file)!r}, timeout=0).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""
        told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
    writer.close()
    assert told.stdout == "database is locked\n"
