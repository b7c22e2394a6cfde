"""An operation, run: what was typed made into a request, and its answer into a result."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import click
import httpx

from .app import App
from .client import Request
from .config import OUTPUTS
from .document import Operation
from .failures import OTHER, USAGE, Failure, body_of
from .output import Output
from .values import json_body
from .words import harmless, say

PAGE = 100  # rows, the server's most


def run(app: App, operation: Operation, sent: Mapping[tuple[str, str], Any], given: Mapping[str, Any]) -> None:
    """`sent`: the parameters by place and name; `given`: our own options."""
    fields = _fields(sent.get(("query", "fields")) or given.get("fields"))
    request = built(operation, sent, given.get("data"))
    kind = output_of(app, given.get("output"))
    output = Output(kind, sys.stdout, app.environment, operation.columns, fields)
    if given.get("everything") or given.get("limit"):
        if given.get("print_header") or sent.keys() & {("query", "page"), ("query", "cursor")}:
            raise Failure(
                USAGE,
                say(
                    "--all et --limit ne vont ni avec --page, ni avec --cursor, ni avec --print-header.",
                    "--all and --limit go neither with --page, nor with --cursor, nor with --print-header.",
                ),
            )
        _walk(app, operation, request, output, None if given.get("everything") else given["limit"])
    else:
        response = app.client.send(request)
        if given.get("print_header"):
            _print_header(response, given["print_header"])
        else:
            _show(app, operation, response, output)
    if output.left_out:
        app.note(
            say("Sans place ici, avec --fields : ", "Without room here, with --fields: ") + ", ".join(output.left_out)
        )


def built(operation: Operation, sent: Mapping[tuple[str, str], Any], data: str | None = None) -> Request:
    path, query, headers, body = operation.path, [], {}, {}
    if data is not None:
        try:
            body = json_body(data)
        except (OSError, ValueError) as problem:
            raise click.BadParameter(str(problem), param_hint="--data") from None
    for (place, name), value in sent.items():
        if place == "path":
            path = path.replace("{" + name + "}", quote(str(value), safe=""))
        elif place == "query":
            if name == "fields":
                # The server knows the keys of a row; what is within them is picked here.
                value = ",".join(dict.fromkeys(one.split(".")[0] for one in _fields(value)))
            query += [(name, _text(one)) for one in (value if isinstance(value, tuple | list) else [value])]
        elif place == "header":
            headers[name] = _text(value)
        else:
            body[name] = list(value) if isinstance(value, tuple) else value
    takes = any(one.place == "body" for one in operation.parameters)
    return Request(
        operation.method,
        path,
        query,
        headers,
        body if takes else None,
        anonymous=operation.public,
        keyed=operation.keyed,
        redirects=any(status.startswith("3") and status != "304" for status in operation.answers),
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fields(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def output_of(app: App, asked: str | None) -> str:
    """The form of the result: what was asked for, else what is configured, else what the reader can use."""
    kind = asked or app.configuration.output or ("table" if sys.stdout.isatty() else "json")
    if kind not in OUTPUTS:
        raise Failure(USAGE, f"RDVCLI_OUTPUT: {kind} ({', '.join(OUTPUTS)})")
    return kind


def _print_header(response: httpx.Response, name: str) -> None:
    if name not in response.headers:
        raise Failure(OTHER, say(f"La réponse n'a pas d'en-tête {name}.", f"The answer has no header {name}."))
    print(harmless(response.headers[name]))


def _show(app: App, operation: Operation, response: httpx.Response, output: Output) -> None:
    if response.status_code == 304 or not response.content:
        if "location" in response.headers:
            output.one({"location": response.headers["location"]})
        else:
            app.note(operation.answers.get(str(response.status_code)) or say("C'est fait.", "Done."))
        return
    if "json" not in response.headers.get("content-type", ""):
        if "x-rdv-server" not in response.headers:
            raise _not_ours(app)
        sys.stdout.write(harmless(response.text) if sys.stdout.isatty() else response.text)
        return
    try:
        body = response.json()
    except ValueError:
        raise _not_ours(app) from None
    name = _rows_of(operation, body)
    if name is None:
        output.one(body)
        return
    output.rows(name, body[name], body.get("meta"), walked=False)
    total = total_of(response)
    if total is not None and total > len(body[name]):
        app.note(
            say(
                f"{len(body[name])} lignes sur {total} ; --all pour toutes.",
                f"{len(body[name])} of {total} rows; --all for all of them.",
            )
        )
    elif not body[name]:
        app.note(say("Aucune ligne.", "No rows."))


def _not_ours(app: App) -> Failure:
    """Something between here and the server answered in its place: a portal, a proxy."""
    return Failure(
        OTHER,
        say(f"Ce qui répond à {app.client.url} n'est pas RDV.", f"What answers at {app.client.url} is not RDV."),
        "  rdv doctor",
    )


def _rows_of(operation: Operation, body: Any) -> str | None:
    """The member that holds the rows of an answer."""
    if isinstance(body, dict) and operation.rows and isinstance(body.get(operation.rows), list):
        return operation.rows
    return None


def total_of(response: httpx.Response) -> int | None:
    text = response.headers.get("x-total-count", "")
    if text.isdecimal():
        return int(text)
    total = (body_of(response).get("meta") or {}).get("total_count")
    return total if isinstance(total, int) else None


def _walk(app: App, operation: Operation, request: Request, output: Output, limit: int | None) -> None:
    """All rows, or the first of them, page after page by cursor, with a bar for who waits."""
    query = [pair for pair in request.query if pair[0] != "per"]
    per = next((value for name, value in request.query if name == "per"), str(min(PAGE, limit or PAGE)))
    walking = Request(
        request.method, request.path, [*query, ("per", per)], request.headers, anonymous=request.anonymous
    )
    with _progress(app, limit) as advance:
        output.rows(operation.rows or "rows", _pages(app, operation, walking, limit, advance), None, walked=True)


def _pages(app: App, operation: Operation, request: Request, limit: int | None, advance: Any) -> Iterator[Any]:
    cursor: str | None = ""
    left = limit
    seen: set[str] = set()
    while cursor is not None and cursor not in seen and (left is None or left > 0):
        seen.add(cursor)
        query = [*request.query, ("cursor", cursor)]
        response = app.client.send(
            Request(request.method, request.path, query, request.headers, anonymous=request.anonymous)
        )
        body = body_of(response)
        name = _rows_of(operation, body)
        if name is None:
            raise Failure(OTHER, say("La réponse n'a pas de lignes.", "The answer has no rows."))
        rows = body[name] if left is None else body[name][:left]
        advance(len(rows), total_of(response))
        yield from rows
        left = None if left is None else left - len(rows)
        cursor = (body.get("meta") or {}).get("next_cursor")


@contextmanager
def _progress(app: App, limit: int | None) -> Iterator[Any]:
    """A bar, where somebody sees it: given how many rows came, and how many there are."""
    if app.quiet or not sys.stderr.isatty():
        yield lambda count, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True, no_color="NO_COLOR" in app.environment)
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=limit)

        def advance(count: int, total: int | None) -> None:
            if total is not None:
                bar.update(task, total=min(total, limit or total))
            bar.advance(task, count)

        yield advance
