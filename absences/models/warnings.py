"""What is told of an absence that was taken all the same."""

from __future__ import annotations

from typing import Any, NamedTuple

from rdv.api.schema import Sentence


class Warned(NamedTuple):
    """`code`, the same in all languages; a sentence; the absences that it is about, oldest first."""

    code: str
    sentence: Sentence
    absence_ids: tuple[int, ...] = ()

    def shown(self) -> dict[str, Any]:
        return {"warning": self.code, "message": str(self.sentence), "absence_ids": list(self.absence_ids)}
