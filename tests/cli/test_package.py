"""The command line is a package of its own, without the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import rdv
import rdv_cli

pytestmark = pytest.mark.no_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `pip install .` installs, made without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    for name in ("rdv_cli", "rdv"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(sources)], check=True)
    (made,) = folder.glob("*.whl")
    return made


def test_it_holds_the_command_line_and_nothing_of_the_server(wheel):
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {"rdv_cli", f"rdv_cli-{rdv_cli.VERSION}.dist-info"}


def test_it_runs_from_there(wheel, tmp_path):
    script = "import sys; from rdv_cli.__main__ import run; sys.argv[1:] = ['--version']; run()"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"rdv {rdv_cli.VERSION}\n"), done.stderr


def test_the_command_line_and_the_server_have_one_version():
    assert rdv_cli.VERSION == rdv.VERSION


def test_what_builds_it_and_what_it_needs_is_what_we_test_with():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = (ROOT / "requirements.in").read_text()
    (backend,) = project["build-system"]["requires"]
    assert f"\n{backend} " in asked
    for needed in project["project"]["dependencies"]:
        name = needed.split(">")[0]
        assert f"\n{name}==" in asked


def test_it_loads_neither_django_nor_anything_of_the_server():
    script = (
        "import pkgutil, importlib, sys, rdv_cli\n"
        "for one in pkgutil.iter_modules(rdv_cli.__path__): importlib.import_module(f'rdv_cli.{one.name}')"
        " if one.name != '__main__' else None\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'django', 'rest_framework', 'rdv', 'agents', 'absences'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_it_imports_nothing_from_the_folder_that_it_is_run_in(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('mine')")
    (tmp_path / "rdv_cli.py").write_text("raise SystemExit('mine')")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run(
        [str(ROOT / "bin" / "rdv"), "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"rdv {rdv_cli.VERSION}\n"), done.stderr
