"""`python -m rdv.descriptions`: writes the description of the API beside the code, in each language, for who reads a
difference; a test holds it to what the server says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import django
from django.conf import settings

KEPT = Path(__file__).resolve().parent.parent / "docs"


def kept_at(language: str) -> Path:
    return KEPT / f"openapi.{language}.json"


def written(language: str) -> str:
    """The document as it is kept: one word a line, so that a change is seen where it is."""
    from rdv.api.openapi import document

    return json.dumps(document(language), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rdv.settings")
    django.setup()
    for language, _name in settings.LANGUAGES:
        kept_at(language).write_text(written(language), encoding="utf-8")


if __name__ == "__main__":
    main()
