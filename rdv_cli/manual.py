"""Pages of the manual, in the form that `man` has: sections, in the language of the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import click

from .document import Group, Operation
from .failures import exit_codes, join
from .values import FEW, metavar
from .words import harmless, say

INDENT, DEEPER, WIDEST = 7, 14, 96
BESIDE = 16  # characters of a term that still has its explanation beside it


@dataclass
class Section:
    """A heading; paragraphs; and what is explained item by item, each with its term."""

    title: str
    paragraphs: Sequence[str] = ()
    items: Sequence[tuple[str, str]] = ()
    lines: Sequence[str] = field(default=())  # as they are, never folded


def text(sections: Iterable[Section], width: int, color: bool) -> str:
    return "\n".join(_lines(sections, min(width, WIDEST), color)) + "\n"


def show(sections: Iterable[Section], environment: Mapping[str, str]) -> None:
    """In the pager when somebody reads at a screen; else as plain text."""
    screen = sys.stdout.isatty()
    width = shutil.get_terminal_size((80, 24)).columns
    color = screen and "NO_COLOR" not in environment and environment.get("TERM") != "dumb"
    page = text(sections, width, color)
    if not screen:
        sys.stdout.write(page)
        return
    # Of `less`: colours as they are, and no pager for what one screen holds.
    os.environ.setdefault("LESS", "-FRX")
    click.echo_via_pager(page, color=color)


def _lines(sections: Iterable[Section], width: int, color: bool) -> Iterator[str]:
    def bold(text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if color else text

    def fold(text: str, indent: int) -> list[str]:
        return textwrap.wrap(
            harmless(text), width, initial_indent=" " * indent, subsequent_indent=" " * indent, break_on_hyphens=False,
            break_long_words=False,
        )  # fmt: skip

    for number, section in enumerate(sections):
        if number:
            yield ""
        yield bold(section.title)
        for paragraph in section.paragraphs:
            if paragraph is not section.paragraphs[0]:
                yield ""
            yield from fold(paragraph, INDENT)
        for line in section.lines:
            yield " " * INDENT + harmless(line) if line else ""
        longest = max((len(term) for term, _about in section.items), default=0)
        deeper = INDENT + longest + 3 if longest <= BESIDE else DEEPER
        for term, about in section.items:
            told = fold(about, deeper)
            head = " " * INDENT + harmless(term)
            if told and len(head) < deeper - 1:
                yield " " * INDENT + bold(harmless(term)) + told[0][len(head) :]
                told = told[1:]
            else:
                yield " " * INDENT + bold(harmless(term))
            yield from told


def of_operation(operation: Operation, params: Sequence[click.Parameter], examples: Sequence[str]) -> list[Section]:
    name = f"rdv {operation.group.replace('_', '-')} {operation.command}"
    arguments = [param for param in params if isinstance(param, click.Argument)]
    own = [param for param in params if hasattr(param, "parameter") and isinstance(param, click.Option)]
    general = [param for param in params if isinstance(param, click.Option) and not hasattr(param, "parameter")]
    about = [operation.about, f"{operation.method} {operation.path}"]
    sections = [
        Section(say("NOM", "NAME"), [f"{name} - {operation.summary}"]),
        Section("SYNOPSIS", [_synopsis(name, arguments, own)]),
        Section("DESCRIPTION", [one for one in about if one]),
    ]
    if arguments or own:
        items = [(param.make_metavar(click.Context(click.Command(""))), _told(param)) for param in arguments]
        items += [(_term(param), _told(param)) for param in own]
        sections.append(Section("OPTIONS", items=items))
    sections.append(_general(general))
    rights = [operation.rights] if operation.rights else []
    if operation.public:
        rights.append(say("Sans se connecter.", "Without signing in."))
    if operation.scope:
        rights.append(say(f"Portée de la clé : {operation.scope}.", f"Scope of the key: {operation.scope}."))
    sections.append(Section(say("DROITS", "RIGHTS"), rights))
    if operation.limits:
        sections.append(Section(say("LIMITES", "LIMITS"), [operation.limits]))
    refusals = [(f"{one.status} {one.code}", one.sentence) for one in operation.refusals]
    sections.append(Section(say("ERREURS", "ERRORS"), items=refusals))
    sections.append(_exit_codes())
    if examples:
        lines = []
        for (about_it, _arguments), line in zip(operation.examples, examples, strict=True):
            lines += ["", about_it + say(" :", ":"), f"    {line}"]
        sections.append(Section(say("EXEMPLES", "EXAMPLES"), lines=lines[1:]))
    return sections


def of_group(group: Group) -> list[Section]:
    name = f"rdv {group.name.replace('_', '-')}"
    return [
        Section(say("NOM", "NAME"), [f"{name} - {group.title}"]),
        Section("SYNOPSIS", [f"{name} {say('ACTION', 'ACTION')} [{say('OPTIONS', 'OPTIONS')}]"]),
        Section("DESCRIPTION", [group.about] if group.about else []),
        Section("ACTIONS", items=[(one.command, one.summary) for one in group.operations.values()]),
        Section(
            say("VOIR AUSSI", "SEE ALSO"),
            [f"rdv help {group.name.replace('_', '-')} ACTION"],
        ),
    ]


def of_root(
    own: Sequence[tuple[str, str]], groups: Sequence[Group] | None, general: Sequence[click.Option]
) -> list[Section]:
    described = Section(
        say("GROUPES", "GROUPS"),
        items=[(group.name.replace("_", "-"), group.about or group.title) for group in groups or ()],
    )
    if groups is None:
        described.paragraphs = [
            say(
                "Le serveur les dit ; dites d'abord où il est : rdv sign-in --server https://rdv.agence.example.",
                "The server tells them; tell first where it is: rdv sign-in --server https://rdv.agence.example.",
            )
        ]
    return [
        Section(say("NOM", "NAME"), [say("rdv - RDV à la ligne de commande", "rdv - RDV at the command line")]),
        Section(
            "SYNOPSIS",
            lines=[
                "rdv " + say("GROUPE", "GROUP") + " ACTION [OPTIONS]",
                "rdv help [" + say("GROUPE", "GROUP") + " [ACTION]]",
            ],
        ),
        Section(
            "DESCRIPTION",
            [
                say(
                    "Les groupes et les actions sont ceux que le serveur décrit ; ses paramètres sont les options. Les "
                    "résultats vont sur la sortie standard, le reste sur la sortie d'erreur.",
                    "Groups and actions are those that the server describes; its parameters are the options. Results "
                    "go to the standard output, the rest to the standard error.",
                )
            ],
        ),
        described,
        Section(say("COMMANDES", "COMMANDS"), items=list(own)),
        _general(general),
        Section(
            say("VALEURS", "VALUES"),
            items=[
                (
                    "@" + say("FICHIER", "FILE"),
                    say(
                        "le contenu du fichier ; @@ pour un @ au début",
                        "what the file holds; @@ for an @ at the beginning",
                    ),
                ),
                (
                    "-",
                    say(
                        "l'entrée standard ; un secret y est demandé sans être montré",
                        "the standard input; a secret is asked for there unseen",
                    ),
                ),
            ],
        ),
        Section(
            "CONFIGURATION",
            items=[
                ("RDVCLI_SERVER", say("l'adresse du serveur", "the server's address")),
                ("RDVCLI_TOKEN", say("une clé d'accès ou un jeton", "an access key or a token")),
                ("RDVCLI_PROFILE", say("le profil, quand il y en a plusieurs", "the profile, when there are several")),
                ("RDVCLI_OUTPUT", "table, json, csv, ndjson"),
                (
                    "RDVCLI_TIMEOUT",
                    say("secondes d'attente d'une réponse, 30 sinon", "seconds to wait for an answer, else 30"),
                ),
                (
                    "RDVCLI_ACT_FOR",
                    say("l'agent pour qui un compte d'API agit", "the agent for whom an API account acts"),
                ),
                (
                    "~/.config/rdv/config.toml",
                    say(
                        "les profils ; 0600 s'il contient une clé (token)",
                        "the profiles; 0600 when a key (token) is in it",
                    ),
                ),
                (
                    "~/.config/rdv/credentials.json",
                    say("ce que garde rdv sign-in, 0600", "what rdv sign-in keeps, 0600"),
                ),
                ("NO_COLOR, PAGER, LANG", say("comme partout", "as everywhere")),
            ],
        ),
        _exit_codes(),
    ]


def of_own(
    name: str, summary: str, about: Sequence[str], params: Sequence[click.Parameter], usage: str
) -> list[Section]:
    """The page of a command of ours."""
    options = [param for param in params if isinstance(param, click.Option)]
    return [
        Section(say("NOM", "NAME"), [f"rdv {name} - {summary}"]),
        Section("SYNOPSIS", [f"rdv {name} {usage}".strip()]),
        Section("DESCRIPTION", about),
        Section("OPTIONS", items=[(_term(option), option.help or "") for option in options]),
        _exit_codes(),
    ]


def _general(options: Sequence[click.Option]) -> Section:
    return Section(
        say("OPTIONS GÉNÉRALES", "GENERAL OPTIONS"), items=[(_term(option), option.help or "") for option in options]
    )


def _exit_codes() -> Section:
    items = [(str(code), about) for code, about in exit_codes().items()]
    return Section(say("CODES DE SORTIE", "EXIT CODES"), items=items)


def _synopsis(name: str, arguments: Sequence[click.Argument], options: Sequence[click.Option]) -> str:
    needed = [option for option in options if option.parameter.required]  # type: ignore[attr-defined]
    words = [name, *(str(argument.metavar) for argument in arguments), *map(_term, needed)]
    return " ".join([*words, *(f"[{_term(option)}]" for option in options if option not in needed)])


def _term(option: click.Option) -> str:
    names = ", ".join(option.opts) + "".join(f"/{one}" for one in option.secondary_opts)
    if option.is_flag:
        return names
    parameter = getattr(option, "parameter", None)
    value = metavar(parameter) if parameter else option.metavar
    if value is None and isinstance(option.type, click.Choice):
        value = "|".join(map(str, option.type.choices))
    return f"{names} {value or say('TEXTE', 'TEXT')}{' …' if option.multiple else ''}"


def _told(param: click.Parameter) -> str:
    """What the schema says of a parameter, in words."""
    parameter = param.parameter  # type: ignore[attr-defined]
    told = [parameter.about] if parameter.about else []
    if parameter.required and parameter.place != "path":
        told.append(say("Obligatoire.", "Required."))
    if parameter.many:
        told.append(say("Peut être répété.", "May be repeated."))
    schema = parameter.schema
    if "default" in schema:
        told.append(say(f"Sinon : {schema['default']}.", f"Otherwise: {schema['default']}."))
    if parameter.choices and len(parameter.choices) > FEW:
        told.append(join([str(choice) for choice in parameter.choices]) + ".")
    if "maxLength" in schema:
        told.append(say(f"{schema['maxLength']} caractères au plus.", f"{schema['maxLength']} characters at most."))
    if parameter.names:
        told.append(join(parameter.names) + ".")
    examples = schema.get("examples")
    if examples and not parameter.flag:
        told.append(say(f"Par exemple {examples[0]}.", f"For example {examples[0]}."))
    if parameter.place == "header":
        told.append(say(f"En-tête {parameter.name}.", f"Header {parameter.name}."))
    return " ".join(told)
