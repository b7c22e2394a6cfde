"""The English catalogue. The code speaks French: each of its sentences is the key of a translation.

`python -m rdv.messages` (make messages) brings `rdv/locale/en/LC_MESSAGES/django.po` up to date with the code, and
compiles it. New sentences appear there untranslated, those that left disappear; a test holds the file to the code.
"""

from __future__ import annotations

import datetime
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "rdv" / "locale" / "en" / "LC_MESSAGES" / "django.po"
APPS = ("absences", "agents", "rdv", "webhooks")
KEYWORDS = DEFAULT_KEYWORDS | {"gettext_lazy": None, "ngettext_lazy": (1, 2), "pgettext_lazy": ((1, "c"), 2)}


_ONCE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def spoken() -> Catalog:
    """Every sentence of the code and of its templates, untranslated."""
    catalog = Catalog(
        locale="en",
        domain="django",
        header_comment="# The English of RDV. `make messages` brings it up to date with the code.",
        project="RDV",
        version="1",
        msgid_bugs_address="-",
        last_translator="-",
        language_team="-",
        # No real date: the same sentences are the same file.
        creation_date=_ONCE,
        revision_date=_ONCE,
        fuzzy=False,
    )
    for path, source in _sources():
        for _line, message, _comments, context in extract("python", io.BytesIO(source.encode()), KEYWORDS):
            catalog.add(message, locations=[(path, None)], context=context)  # type: ignore[list-item]
    return catalog


def _sources() -> Iterator[tuple[str, str]]:
    """(path, Python source) of every file that speaks; templates as Django turns them into calls of gettext."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".py" and "migrations" not in path.parts:
                yield name, path.read_text(encoding="utf-8")
            elif path.suffix in (".html", ".txt") and "templates" in path.parts:
                yield name, templatize(path.read_text(encoding="utf-8"), name)


def written() -> Catalog:
    """The catalogue as it is kept."""
    with ENGLISH.open("rb") as file:
        return read_po(file, locale="en", domain="django")


def compiled(catalog: Catalog) -> bytes:
    """The bytes that Django reads."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def strings_of(message: Message) -> tuple[str, ...]:
    """What `message` is in English: its one form, or its singular and its plural; "" where that is missing."""
    return tuple(message.string) if isinstance(message.string, list | tuple) else (message.string or "",)


def main() -> int:
    code = spoken()
    for message in written() if ENGLISH.exists() else ():
        if message.id and (spoken_still := code.get(message.id, message.context)):
            spoken_still.string = message.string
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    with ENGLISH.open("wb") as file:
        write_po(file, code, width=120, sort_output=True, include_lineno=False, omit_header=False)
    ENGLISH.with_suffix(".mo").write_bytes(compiled(written()))
    missing = [message.id for message in code if message.id and not all(strings_of(message))]
    for sentence in missing:
        print(f"To translate: {sentence}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
