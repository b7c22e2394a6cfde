"""The commands: our own, and one for each operation that the server describes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import click

from . import manual
from .app import App
from .config import OUTPUTS
from .document import Catalogue, Group, Operation, Parameter
from .failures import Failure
from .values import Value
from .words import LANGUAGES, say

# `first_day` does where `first-day` is meant, in commands as in options.
DASHES = {"token_normalize_func": lambda name: name.replace("_", "-")}
PAGE = 100  # rows, the server's most
EXAMPLE_FILE = "absences.csv"  # in place of what it holds


def app_of(ctx: click.Context) -> App:
    return cast(App, ctx.find_object(App))


class ParameterOption(click.Option):
    """The option of a parameter of the API."""

    def __init__(self, parameter: Parameter, name: str, inner: str) -> None:
        self.parameter = parameter
        declaration = f"--{name}/--no-{name}" if parameter.flag else f"--{name}"
        more: dict[str, Any] = {} if parameter.flag else {"type": Value(parameter), "multiple": parameter.many}
        super().__init__([declaration, inner], default=None, help=parameter.about, **more)


class ParameterArgument(click.Argument):
    """A parameter of the address, or a file, at its place after the command."""

    def __init__(self, parameter: Parameter, inner: str) -> None:
        self.parameter = parameter
        super().__init__([inner], type=Value(parameter), metavar=parameter.name.upper(), required=True)


def general_options() -> list[click.Option]:
    """What every command takes."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
            if value:
                setattr(app_of(ctx), name, value)

        return callback

    return [
        click.Option(
            ["--server"],
            metavar="URL",
            expose_value=False,
            callback=keep("server"),
            help=say("L'adresse du serveur.", "The server's address."),
        ),
        click.Option(
            ["--profile"],
            metavar=say("NOM", "NAME"),
            expose_value=False,
            callback=keep("profile"),
            help=say("Un autre des serveurs de la configuration.", "Another of the servers of the configuration."),
        ),
        click.Option(
            ["--act-for"],
            metavar=say("AGENT", "AGENT"),
            expose_value=False,
            callback=keep("act_for"),
            help=say("Agir pour cet agent (compte d'API).", "Act for this agent (API account)."),
        ),
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help=say("La langue ; sinon celle du terminal.", "The language; else that of the terminal."),
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=keep("verbose"),
            help=say("Montrer ce qui est échangé, sans les secrets.", "Show what is exchanged, without the secrets."),
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=keep("quiet"),
            help=say("Rien que le résultat et les erreurs.", "Nothing but the result and the errors."),
        ),
        click.Option(
            ["-h", "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_page,
            help=say("Cette page.", "This page."),
        ),
    ]


def output_option() -> click.Option:
    return click.Option(
        ["-o", "--output"],
        type=click.Choice(OUTPUTS),
        help=say("La forme : table à l'écran, json sinon.", "The form: table at the screen, else json."),
    )


def result_options(operation: Operation) -> Iterator[click.Option]:
    """What an operation takes beside its parameters."""
    yield output_option()
    if operation.parameter("fields") is None:
        yield click.Option(
            ["--fields"],
            metavar=say("NOMS", "NAMES"),
            help=say(
                "Les seules clés à montrer, avec des virgules : title,agent.email.",
                "The only keys to show, with commas: title,agent.email.",
            ),
        )
    yield click.Option(
        ["--print-header"],
        metavar=say("NOM", "NAME"),
        help=say(
            "Montrer cet en-tête de la réponse au lieu du corps : ETag.", "Show this header instead of the body: ETag."
        ),
    )
    if operation.walks:
        yield click.Option(["--all", "everything"], is_flag=True, help=say("Toutes les pages.", "All the pages."))
        yield click.Option(
            ["--limit"], type=click.IntRange(1), metavar="N", help=say("Les N premières lignes.", "The first N rows.")
        )
    if any(one.place == "body" for one in operation.parameters):
        yield click.Option(
            ["--data"],
            metavar="-|@" + say("FICHIER", "FILE"),
            help=say(
                "Un objet JSON, de l'entrée standard ou d'un fichier ; les options l'emportent.",
                "A JSON object, of the standard input or of a file; options win over it.",
            ),
        )


class OurCommand(click.Command):
    """A command with a page of the manual, and general options."""

    def __init__(self, name: str, **more: Any) -> None:
        more["params"] = [*more.get("params", ()), *general_options()]
        super().__init__(name, add_help_option=False, context_settings=DASHES, **more)

    def page(self, _ctx: click.Context) -> list[manual.Section]:
        raise NotImplementedError


class OperationCommand(OurCommand):
    """An operation of the API."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        own = list(result_options(operation))
        taken = {name for option in (*own, *general_options()) for name in option.opts}
        parameters: list[click.Parameter] = []
        for number, parameter in enumerate(sorted(operation.parameters, key=_weight)):
            inner = f"p{number}"
            if parameter.place == "path" or parameter.file:
                parameters.append(ParameterArgument(parameter, inner))
            else:
                name = parameter.option if f"--{parameter.option}" not in taken else f"param-{parameter.option}"
                taken.add(f"--{name}")
                parameters.append(ParameterOption(parameter, name, inner))
        super().__init__(operation.command, params=[*parameters, *own], callback=self.run, short_help=operation.summary)

    def page(self, ctx: click.Context) -> list[manual.Section]:
        return manual.of_operation(self.operation, self.params, [line for _about, line in self.examples()])

    def examples(self) -> Iterator[tuple[str, str]]:
        """The operation's own examples as lines to type."""
        for about, arguments in self.operation.examples:
            yield about, shlex.join(["rdv", *self.words(arguments)])

    def words(self, arguments: Mapping[str, Any]) -> Iterator[str]:
        """The command for a request with those arguments; of a secret, what asks for it."""
        yield from (self.operation.group.replace("_", "-"), self.operation.command)
        for param in self.params:
            if isinstance(param, ParameterArgument) and param.parameter.name in arguments:
                yield EXAMPLE_FILE if param.parameter.file else str(arguments[param.parameter.name])
        for param in self.params:
            if not isinstance(param, ParameterOption) or param.parameter.name not in arguments:
                continue
            value = arguments[param.parameter.name]
            if param.parameter.flag:
                yield param.opts[0] if str(value).lower() == "true" else param.secondary_opts[0]
                continue
            for one in value if isinstance(value, list | tuple) else [value]:
                text = "" if one is None else json.dumps(one) if isinstance(one, dict) else str(one)
                yield from (
                    param.opts[0],
                    "-" if param.parameter.secret else f"@{text}" if text.startswith("@") else text,
                )

    def run(self, **given: Any) -> None:
        ctx = click.get_current_context()
        app = app_of(ctx)
        from .running import run  # what speaks and writes is loaded when it is needed

        run(app, self.operation, self.sent(ctx), given)

    def sent(self, ctx: click.Context) -> dict[tuple[str, str], Any]:
        """What was typed, by place and name."""
        sent = {}
        for param in self.params:
            if isinstance(param, ParameterArgument | ParameterOption) and param.name:
                value = ctx.params[param.name]
                if value is not None and value != ():
                    sent[param.parameter.place, param.parameter.name] = value
        return sent


def _weight(parameter: Parameter) -> tuple[bool, int]:
    """What is needed first; then what the thing is made of, how it is asked for, and what is rarely said."""
    return not parameter.required, ("path", "body", "query", "header").index(parameter.place)


class GroupCommand(click.Group):
    """A group of the API."""

    def __init__(self, group: Group) -> None:
        self.described = group
        super().__init__(
            group.name.replace("_", "-"),
            add_help_option=False,
            params=list(general_options()),
            short_help=group.title,
            context_settings=DASHES,
            invoke_without_command=True,
            callback=_page_when_alone,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.described.operations)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        operation = self.described.operations.get(cmd_name)
        return OperationCommand(operation) if operation else None

    def page(self, ctx: click.Context) -> list[manual.Section]:
        return manual.of_group(self.described)


class Root(click.Group):
    """`rdv`: our own commands, then the groups of the server."""

    def __init__(self, own: Mapping[str, click.Command]) -> None:
        self.own = own
        super().__init__(
            "rdv",
            add_help_option=False,
            params=[
                *general_options(),
                click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version),
            ],
            context_settings=DASHES,
            invoke_without_command=True,
            callback=_page_when_alone,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        catalogue = _known(ctx)
        return [*self.own, *(group.replace("_", "-") for group in (catalogue.groups if catalogue else ()))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.own:
            return self.own[cmd_name]
        catalogue = app_of(ctx).catalogue()
        groups = catalogue.groups if catalogue else {}
        group = groups.get(cmd_name) or groups.get(cmd_name.replace("-", "_"))
        return GroupCommand(group) if group else None

    def page(self, ctx: click.Context) -> list[manual.Section]:
        catalogue = _known(ctx)
        return manual.of_root(
            [(name, command.short_help or "") for name, command in self.own.items()],
            list(catalogue.groups.values()) if catalogue else None,
            general_options(),
        )


def _known(ctx: click.Context) -> Catalogue | None:
    """What is known of the server without insisting: the page of the manual comes without it too."""
    app = app_of(ctx)
    if app.configuration.url is None:
        return None
    try:
        return app.catalogue()
    except Failure as failure:
        for line in () if app.offline else failure.lines:
            app.note(line)
        return None


def _page_when_alone() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        show(ctx.command, ctx)


def _show_page(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        show(ctx.command, ctx)
        ctx.exit()


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from . import VERSION

        click.echo(f"rdv {VERSION}")
        ctx.exit()


def show(command: Any, ctx: click.Context) -> None:
    """The command's page of the manual, in the pager when there is a screen to read it at."""
    app = app_of(ctx)
    manual.show(command.page(ctx), app.environment)


def found(ctx: click.Context, words: list[str]) -> click.Command:
    """The command that some words name, from the root on."""
    command = ctx.command
    for word in words:
        inner = command.get_command(ctx, word.replace("_", "-")) if isinstance(command, click.Group) else None
        if inner is None:
            known = command.list_commands(ctx) if isinstance(command, click.Group) else ()
            raise click.NoSuchCommand(word, possibilities=known, ctx=ctx)
        command = inner
    return command


def offered_by(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """The parameters of each command, by the id of its operation."""
    return {
        operation.id: frozenset(
            param.parameter.name
            for param in OperationCommand(operation).params
            if isinstance(param, ParameterArgument | ParameterOption)
        )
        for operation in catalogue.operations
    }
