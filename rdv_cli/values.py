"""Words at the command line made into values: `@file`, `-` for the standard input, and the types of the schemas."""

from __future__ import annotations

import difflib
import getpass
import json
import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from .document import Parameter
from .failures import join
from .words import say

FEW = 8  # choices, which stand in the manual in place of a value


class Value(click.ParamType):
    """The value of one parameter, checked as far as its schema tells; whether it will do, the server knows."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.name = metavar(parameter)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.typed(self.read(str(value)))
        except (OSError, ValueError) as problem:
            self.fail(str(problem), param, ctx)

    def read(self, text: str) -> str:
        """What is meant: the text itself, a file's, or that of the standard input."""
        parameter = self.parameter
        if parameter.file:
            return content_of(text)
        if text == "-":
            if not parameter.secret:
                return sys.stdin.read().removesuffix("\n")
            return ask_secret(parameter.name)
        if text.startswith("@@"):
            text = text[1:]
        elif text.startswith("@"):
            return Path(text[1:]).expanduser().read_text(encoding="utf-8").removesuffix("\n")
        if parameter.secret:
            raise ValueError(
                say(
                    "un secret n'est pas un argument, que d'autres verraient : « - » le demande, @fichier le lit.",
                    'a secret is no argument, where others would see it: "-" asks for it, @file reads it.',
                )
            )
        return text

    def typed(self, text: str) -> Any:
        kinds, choices = self.parameter.types, self.parameter.choices
        if choices is not None and text:
            for choice in choices:
                if str(choice) == text:
                    return choice
            known = [str(choice) for choice in choices]
            near = difflib.get_close_matches(text, known, 1)
            raise ValueError(
                say(f"« {text} » n'est pas l'un de : {join(known)}.", f'"{text}" is none of: {join(known)}.')
                + (say(f" Peut-être {near[0]} ?", f" Perhaps {near[0]}?") if near else "")
            )
        if "integer" in kinds and text.removeprefix("-").isdecimal() and text.isascii():
            return int(text)
        if kinds and not kinds & {"string", "null"}:
            if "number" in kinds:
                return float(text)
            if kinds & {"object", "array", "boolean"}:
                return json.loads(text)
            raise ValueError(say(f"« {text} » n'est pas un nombre entier.", f'"{text}" is no whole number.'))
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        if self.parameter.file:
            return [CompletionItem(incomplete, type="file")]
        if incomplete.startswith("@"):
            return [CompletionItem(incomplete[1:], type="file")]
        if self.parameter.names:
            before, comma, last = incomplete.rpartition(",")
            signs = ("", "-") if self.parameter.name == "sort" else ("",)
            names = [sign + name for sign in signs for name in self.parameter.names]
            return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]
        choices = map(str, self.parameter.choices or ())
        return [CompletionItem(one) for one in choices if one.startswith(incomplete)]


def metavar(parameter: Parameter) -> str:
    """What stands for a value in a manual."""
    if parameter.file:
        return say("FICHIER", "FILE")
    if parameter.names:
        return say("NOMS", "NAMES")
    if parameter.secret:
        return "-|@" + say("FICHIER", "FILE")
    words: list[str] = []
    for one in parameter.alternatives:
        if "enum" in one:
            words += [str(value) for value in one["enum"] if value not in (None, "")]
        elif one.get("format") == "date":
            words.append(say("AAAA-MM-JJ", "YYYY-MM-DD"))
        else:
            words.append("N" if "integer" in one.get("type", ()) else say("TEXTE", "TEXT"))
    words = list(dict.fromkeys(words))
    return "|".join(words) if 0 < len(words) <= FEW else say("TEXTE", "TEXT")


def ask_secret(name: str) -> str:
    """A secret: typed without being shown, or a line of the standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{name} : ")
    return sys.stdin.readline().removesuffix("\n")


def content_of(name: str) -> str:
    """The text of a file, or of the standard input (`-`): in UTF-8, else as Windows writes it."""
    content = sys.stdin.buffer.read() if name == "-" else Path(name.removeprefix("@")).expanduser().read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def json_body(text: str) -> dict[str, Any]:
    """The object given with `--data`: of the standard input (`-`) or of a file (`@file`)."""
    if text == "-":
        content = sys.stdin.read()
    elif text.startswith("@"):
        content = Path(text[1:]).expanduser().read_text(encoding="utf-8")
    else:
        raise ValueError(
            say(
                "donnez « - » (entrée standard) ou @fichier : un argument se voit des autres.",
                'give "-" (standard input) or @file: others see an argument.',
            )
        )
    try:
        body = json.loads(content)
    except ValueError as problem:
        raise ValueError(say(f"ce n'est pas du JSON : {problem}", f"this is no JSON: {problem}")) from None
    if not isinstance(body, dict):
        raise ValueError(say("un objet JSON est attendu.", "a JSON object is expected."))
    return body
