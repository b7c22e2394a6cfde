"""How the tests apply a directory file: by the command, as an administrator does."""

from __future__ import annotations

import io
import json
import re
import tempfile
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command

PARIS = {"name": "Paris", "departement_number": "75"}
PMI = {"name": "PMI (Protection Maternelle Infantile)", "short_name": "PMI"}
MDS = {"name": "MDS Paris Nord", "departement_number": "75"}
MARTINE = {"email": "martine@demo.rdv-solidarites.fr"}


class Outcome(NamedTuple):
    """What was written on each stream; `refused` is the command's last sentence when it failed."""

    out: str
    err: str
    refused: str | None

    @property
    def problems(self) -> list[str]:
        return self.err.splitlines()

    def counts(self, section: str) -> tuple[int, int, int]:
        """Created, updated and unchanged, as a script would read them from the last line."""
        last = self.out.splitlines()[-1]
        found = re.search(rf"(?:^|; ){section}: (\d+) created, (\d+) updated, (\d+) unchanged(?:;|$)", last)
        assert found, last
        created, updated, unchanged = map(int, found.groups())
        return created, updated, unchanged


def apply(document: dict[str, Any], *options: str) -> Outcome:
    return apply_bytes(json.dumps(document).encode(), *options)


def apply_bytes(source: bytes, *options: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    refused = None
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(source)
        file.flush()
        try:  # a refusal is an outcome like another
            call_command("provision", file.name, *options, stdout=out, stderr=err)
        except CommandError as error:
            refused = str(error)
    return Outcome(out.getvalue(), err.getvalue(), refused)


def paris(**sections: Any) -> dict[str, Any]:
    """A file with one territory, one service and one organisation, and the sections given."""
    return {"territories": [PARIS], "services": [PMI], "organisations": [MDS], **sections}
