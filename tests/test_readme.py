"""The lines of the README and of the recipes work as they are, pasted one block after another against a live server
with the demo directory.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rdv.settings import ROOT

from .server import serving

BLOCK = re.compile(r"<!-- run: (\w+)(?: (\d+))? -->\n```sh\n(.*?)```", re.DOTALL)
README, RECIPES = (Path(ROOT, name).read_text(encoding="utf-8") for name in ("README.md", "docs/recipes.md"))
COMMAND = re.compile(r"^\s*(?:\$ )?(?:http|curl) .*", re.MULTILINE)
SECRETS = re.compile(r"password[=\"]|rdv_(?:pat|api)_|access-token: ?[^*@]")


def blocks(tool: str, page: str = README) -> list[tuple[str, int | None]]:
    return [(script, int(status) if status else None) for name, status, script in BLOCK.findall(page) if name == tool]


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo"), "demo") as server:
        yield server


@pytest.fixture
def shell(demo_server, tmp_path):
    """Runs a script as a new user would: in an empty folder, with HTTPie on the path, addresses as in the README."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "PATH": f"{ROOT}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHON": sys.executable,  # what bin/rdv runs with
        "HOME": str(home),
        "HTTPIE_CONFIG_DIR": str(home),
        "LANG": "C.UTF-8",
    }

    def run(script: str, *prelude: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        # HTTPie fails on 4xx when asked to; the README's reader sees the status instead.
        script = script.replace("http://127.0.0.1:8000", demo_server.address)
        script = re.sub(r"^http ", "http --ignore-stdin --check-status ", script, flags=re.MULTILINE)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join((*prelude, script))],
            cwd=home,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.live
@pytest.mark.any_database
def test_the_lines_for_httpie_sign_in_list_create_change_and_delete(shell):
    for script, status in blocks("httpie"):
        done = shell(script)
        expected = 0 if status is None else status // 100
        assert done.returncode == expected, f"{script}\n{done.stdout[-3000:]}\n{done.stderr}"
        if status:
            assert '"start_time"' in done.stdout
    assert len(blocks("httpie")) == 5


@pytest.mark.live
@pytest.mark.any_database
def test_the_lines_for_rdv_sign_in_explain_list_create_and_look(shell):
    ((script, _status),) = blocks("rdv")
    done = shell(script, typed="123456\n")
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert '"title": "Formation"' in done.stdout
    assert "CODES DE SORTIE" in done.stdout
    written = shell("head -n 1 absences.csv; wc -l < absences.csv").stdout.splitlines()
    assert written[0] == "id,first_day,title,agent.email"
    assert int(written[1]) > 100


@pytest.mark.live
@pytest.mark.any_database
def test_the_lines_for_curl_sign_in_list_create_and_sign_out(shell):
    for script, _status in blocks("curl"):
        done = shell(script)
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr}"
        assert '"title":"RTT"' in done.stdout
        assert done.stdout.endswith('{"success":true}')
    assert blocks("curl")


@pytest.mark.live
@pytest.mark.any_database
def test_the_recipes_work_one_after_another_and_leave_no_secret_behind(shell, tmp_path):
    for script, status in blocks("sh", RECIPES):
        done = shell(script)
        assert done.returncode == (status or 0), f"{script}\n{done.stdout[-3000:]}\n{done.stderr}"
    assert len(blocks("sh", RECIPES)) > 10
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert left
    assert not [path for path in left if "rdv_pat_" in path.read_text() or '"password"' in path.read_text()]


def test_every_command_that_a_page_shows_is_run_and_no_secret_is_an_argument_of_a_recipe():
    for path in (Path(ROOT, "README.md"), *sorted(Path(ROOT, "docs").glob("*.md"))):
        shown = BLOCK.sub("", path.read_text(encoding="utf-8"))
        assert not COMMAND.findall(shown), path
    for command in COMMAND.findall(RECIPES):
        assert not SECRETS.search(command), command
