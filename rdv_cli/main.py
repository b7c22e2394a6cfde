"""`rdv`: from the words typed to an exit code."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click
from click.shell_completion import ShellComplete, get_completion_class, shell_complete

from . import manual
from .app import App
from .commands import OurCommand, Root, app_of, found, output_option, show
from .failures import BROKEN_PIPE, INTERRUPTED, USAGE, Failure
from .words import say

if TYPE_CHECKING:
    import httpx

COMPLETE = "_RDV_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


class OwnCommand(OurCommand):
    """A command that needs no description of the server."""

    def __init__(
        self,
        name: str,
        summary: str,
        about: Sequence[str],
        run: Callable[..., Any],
        params: Sequence[click.Parameter] = (),
        usage: str = "",
    ) -> None:
        self.about, self.usage = about, usage
        super().__init__(name, params=list(params), callback=run, short_help=summary)

    def page(self, ctx: click.Context) -> list[manual.Section]:
        return manual.of_own(str(self.name), self.short_help or "", self.about, self.params, self.usage)


def _app() -> App:
    return app_of(click.get_current_context())


def _help(words: tuple[str, ...]) -> None:
    ctx = click.get_current_context()
    root = ctx.find_root()
    show(found(root, list(words)), root)


def _sign_in(**given: Any) -> None:
    from .session import sign_in

    sign_in(_app(), **given)


def _sign_out(**given: Any) -> None:
    from .session import sign_out

    sign_out(_app(), **given)


def _doctor(output: str | None) -> None:
    from .doctor import examine

    ctx = click.get_current_context()
    ctx.exit(examine(_app(), "json" if output in ("json", "ndjson", "csv") else output or "table"))


def _completion(shell: str) -> None:
    written = cast(type[ShellComplete], get_completion_class(shell))
    click.echo(written(click.get_current_context().find_root().command, {}, "rdv", COMPLETE).source())


def root() -> Root:
    """All commands that are ours, in the language of the moment."""
    own = [
        OwnCommand(
            "help",
            say("le manuel : rdv help absences create", "the manual: rdv help absences create"),
            [
                say(
                    "La page d'un groupe, d'une action ou d'une commande.",
                    "The page of a group, an action or a command.",
                )
            ],
            _help,
            [click.Argument(["words"], nargs=-1, shell_complete=_complete_words)],
            f"[{say('GROUPE', 'GROUP')} [ACTION]]",
        ),
        OwnCommand(
            "sign-in",
            say("se connecter, et le rester", "sign in, and stay so"),
            [
                say(
                    "Demande le mot de passe, et garde le jeton que le serveur donne dans un fichier que vous seul "
                    "pouvez lire. Le mot de passe n'est pas gardé.",
                    "Asks for the password, and keeps the token that the server gives in a file that you alone can "
                    "read. The password is not kept.",
                ),
                say(
                    "Avec --key, demande une clé d'accès personnelle (page /cles du serveur) ; sans terminal, la lit "
                    "sur l'entrée standard.",
                    "With --key, asks for a personal access token (page /cles of the server), or reads it from the "
                    "standard input where there is no terminal.",
                ),
            ],
            _sign_in,
            [
                click.Option(["--email"], metavar="EMAIL", help=say("Qui se connecte.", "Who signs in.")),
                click.Option(["--key"], is_flag=True, help=say("Avec une clé d'accès.", "With an access key.")),
                click.Option(
                    ["--password-stdin"],
                    is_flag=True,
                    help=say(
                        "Le mot de passe est la première ligne de l'entrée standard.",
                        "The password is the first line of the standard input.",
                    ),
                ),
            ],
        ),
        OwnCommand(
            "sign-out",
            say("se déconnecter", "sign out"),
            [
                say(
                    "Met fin à la connexion sur le serveur, et l'oublie ici.",
                    "Ends the session at the server, and forgets it here.",
                )
            ],
            _sign_out,
            [
                click.Option(
                    ["--everywhere"],
                    is_flag=True,
                    help=say("Partout où l'on est connecté.", "Wherever one is signed in."),
                )
            ],
        ),
        OwnCommand(
            "doctor",
            say("dire ce qui ne va pas, et que faire", "tell what is wrong, and what to do"),
            [
                say(
                    "Regarde les fichiers, l'adresse, le serveur, sa version, l'horloge et la clé. Le code de sortie "
                    "est celui de ce qui ne va pas d'abord.",
                    "Looks at the files, the address, the server, its version, the clock and the key. The exit code is "
                    "that of what is wrong first.",
                )
            ],
            _doctor,
            [output_option()],
        ),
        OwnCommand(
            "completion",
            say("compléter les commandes avec Tab", "complete commands with Tab"),
            [
                say("Écrit ce que votre shell doit lire :", "Writes what your shell is to read:"),
                'bash: eval "$(rdv completion bash)" (~/.bashrc)',
                'zsh: eval "$(rdv completion zsh)" (~/.zshrc)',
                "fish: rdv completion fish > ~/.config/fish/completions/rdv.fish",
            ],
            _completion,
            [click.Argument(["shell"], type=click.Choice(SHELLS))],
            "|".join(SHELLS),
        ),
    ]
    return Root({str(command.name): command for command in own})


def _complete_words(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    command: click.Command = ctx.find_root().command
    for word in ctx.params.get("words") or ():
        inner = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        if inner is None:
            return []
        command = inner
    names = command.list_commands(ctx) if isinstance(command, click.Group) else []
    return [name for name in names if name.startswith(incomplete)]


def main(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
    **more: Any,
) -> int:
    """Runs a command; gives its exit code. Without a `transport` it speaks to the network."""
    app = App(environment, transport, **more)
    app.read_ahead(list(arguments))
    if environment.get(COMPLETE):
        app.offline = True
        app.read_ahead(environment.get("COMP_WORDS", "").split())
    try:
        try:
            return _run(app, arguments)
        except (click.NoSuchCommand, click.NoSuchOption) as unknown:
            # The server may offer today what it did not an hour ago.
            if app.asked or app.offline or not app.configuration.url:
                raise
            try:
                app.ask_anew()
            except Failure:
                raise unknown from None
            return _run(app, arguments)
    except Failure as failure:
        _tell(app, failure.lines)
        return failure.code
    except click.UsageError as error:
        _tell(app, list(_usage(error)))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has enough (`rdv … | head`). Nothing more may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _run(app: App, arguments: Sequence[str]) -> int:
    command = root()
    if app.environment.get(COMPLETE):
        return shell_complete(command, {"obj": app}, "rdv", COMPLETE, app.environment[COMPLETE])
    # Not `command.main()`, which has ends of its own for an interruption and for a reader that has enough.
    try:
        with command.make_context("rdv", list(arguments), obj=app) as ctx:
            command.invoke(ctx)
    except click.exceptions.Exit as end:
        return end.exit_code
    sys.stdout.flush()
    return 0


def _tell(app: App, lines: list[str]) -> None:
    first, *rest = lines
    for line in (f"rdv: {first}", *rest):
        app.tell(line)


def _usage(error: click.UsageError) -> list[str]:
    """What was typed wrongly, in the language of the terminal, with what may have been meant."""
    where = error.ctx.command_path.removeprefix("rdv").strip() if error.ctx else ""
    near: Sequence[str] = ()
    match error:
        case click.NoSuchOption():
            told = say(f"L'option {error.option_name} n'existe pas.", f"There is no option {error.option_name}.")
            near = error.possibilities or ()
        case click.NoSuchCommand():
            told = say(f"« {error.command_name} » n'existe pas.", f'There is no "{error.command_name}".')
            group = error.ctx.command if error.ctx else None
            known = group.list_commands(error.ctx) if isinstance(group, click.Group) and error.ctx else []
            near = (
                difflib.get_close_matches(error.command_name.replace("_", "-"), known, 1) or error.possibilities or ()
            )
        case click.MissingParameter():
            name = error.param.make_metavar(error.ctx) if error.param and error.ctx else "?"
            told = say(f"Il manque {name}.", f"{name} is missing.")
        case click.BadParameter():
            hint = error.param_hint or (error.param.opts[-1] if error.param and error.param.opts else "")
            if isinstance(error.param, click.Argument) and error.ctx:
                hint = error.param.make_metavar(error.ctx)
            choices = getattr(error.param.type, "choices", None) if error.param else None
            told = f"{hint}: {', '.join(choices) if choices else error.message}"
        case click.BadOptionUsage():
            told = say(f"L'option {error.option_name} : ", f"The option {error.option_name}: ") + say(
                "sa valeur manque, ou elle n'en prend pas.", "its value is missing, or it takes none."
            )
        case _:
            told = error.format_message()
    if near:
        told += say(f" Peut-être {near[0]} ?", f" Perhaps {near[0]}?")
    return [told, f"  rdv help {where}".rstrip()]
