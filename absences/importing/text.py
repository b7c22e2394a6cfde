"""The text of a file that somebody exported, whatever program did it."""

from __future__ import annotations

import codecs

from django.utils.translation import gettext_lazy as _

from .items import Sheet

UNREADABLE = _("n'est ni en UTF-8 ni en Windows-1252 : exportez de nouveau le fichier, en UTF-8")
NO_TEXT = _("n'est pas un texte : il contient des caractères nuls")

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(content: bytes, sheet: Sheet) -> str | None:
    """`content` as text: what its mark says, else UTF-8, else Windows-1252, which spreadsheets still write. None, and a
    refusal on `sheet`, when it is none of these.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            sheet.refuse(text.count("\n", 0, text.index("\x00")) + 1, "", NO_TEXT)
            return None
        return text
    sheet.refuse(1, "", UNREADABLE)
    return None
