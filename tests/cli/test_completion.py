"""Completion in bash, zsh and fish, from what is kept of the server (row K7)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def completed(desk):
    """What is offered for the last of some words."""

    def complete(*words: str, shell: str = "bash") -> list[str]:
        desk.environment |= {
            "_RDV_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1),
        }
        os.environ |= {name: desk.environment[name] for name in ("_RDV_COMPLETE", "COMP_WORDS", "COMP_CWORD")}
        try:
            return [line for line in desk().out.splitlines() if line]
        finally:
            for name in ("_RDV_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
                del os.environ[name], desk.environment[name]

    desk("help")
    desk.described = False  # from here on, nobody is asked
    desk.answer = lambda request: pytest.fail("the server was asked")
    return complete


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["rdv", "absences"], {"absences"}),
        (["rdv", "doc"], {"doctor"}),
        (["rdv", "absences", "de"], {"delete", "delete-by-external-id", "delete-occurrence"}),
        (["rdv", "help", "absences", "cr"], {"create"}),
        (["rdv", "absences", "create", "--first"], {"--first-day"}),
        (["rdv", "tokens", "update", "1", "--no-a"], {"--no-active"}),
        (["rdv", "organisations", "update", "1", "--verticale", "rdv_a"], {"rdv_aide_numerique"}),
        (["rdv", "absences", "list", "--fields", "id,upd"], {"id,updated_at"}),
        (["rdv", "absences", "list", "--sort", "id,-upd"], {"id,-updated_at"}),
        (["rdv", "absences", "list", "--output", "nd"], {"ndjson"}),
        (["rdv", "completion", "f"], {"fish"}),
    ],
)
def test_what_is_typed_halfway_is_completed(completed, words, offered):
    assert {line.split(",", 1)[1] for line in completed(*words)} == offered


def test_zsh_and_fish_show_what_each_is_for(completed):
    assert "absences" in completed("rdv", "abs", shell="zsh")
    assert any("absences" in line for line in completed("rdv", "abs", shell="fish"))


def test_without_memory_our_own_commands_remain(desk, completed):
    for kept in (desk.home / ".cache" / "rdv").iterdir():
        kept.unlink()
    assert completed("rdv", "sign") == ["plain,sign-in", "plain,sign-out"]
    assert completed("rdv", "abs") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_something_to_read(desk, shell):
    ran = desk("completion", shell)
    assert ran.code == 0
    assert f"_RDV_COMPLETE={shell}_complete" in ran.out


def test_bash_completes_with_it(tmp_path):
    script = f"""
        PATH="{ROOT}/bin:$PATH"
        eval "$(rdv completion bash)"
        COMP_WORDS=(rdv doc) COMP_CWORD=1
        _rdv_completion rdv doc rdv
        echo "${{COMPREPLY[@]}}"
    """
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "doctor\n", done.stderr
