"""A request as a line for HTTPie, for curl, and in Python with requests: to be copied, and to work as it is. Pure.

Secrets are never in a line: it names variables of the environment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

# By way to say who one is: the headers, each with the text before the variable and its name.
Headers = Mapping[str, tuple[str, str]]
WITH_KEY: Headers = {"Authorization": ("Bearer ", "API_KEY")}
WITH_TRIPLE: Headers = {"access-token": ("", "ACCESS_TOKEN"), "client": ("", "CLIENT"), "uid": ("", "AGENT_UID")}


@dataclass(frozen=True)
class Asked:
    """A request. `address`: without its query; `body`: of a JSON object; `secrets`: of its names, those whose values
    are put in by the environment, by the variable of each.
    """

    method: str
    address: str
    query: Sequence[tuple[str, str]] = ()
    headers: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | None = None
    credential: Headers = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


def httpie(asked: Asked) -> str:
    """Asks at once, also where nobody is at the terminal (`--ignore-stdin`)."""
    query = [f"{name}=={value}" for name, value in asked.query]
    address = asked.address
    if any(_is_awkward(value) for _name, value in asked.query):
        query, address = [], _full(asked)
    items = [
        *(_with_variable(f"{name}:{before}", variable) for name, (before, variable) in asked.credential.items()),
        # The space is taken off again: without it a value might begin a longer separator.
        *(shlex.quote(f"{name}: {value}") for name, value in asked.headers),
        *map(shlex.quote, query),
        *(_httpie_field(asked, name, value) for name, value in (asked.body or {}).items()),
    ]
    return _line(["http", "--ignore-stdin", asked.method, shlex.quote(address)], items)


def curl(asked: Asked) -> str:
    words = ["curl", "--silent", "--show-error"]
    if asked.method != "GET":
        words += ["--request", asked.method]
    items = [
        *(
            f"--header {_with_variable(f'{name}: {before}', variable)}"
            for name, (before, variable) in asked.credential.items()
        ),
        *(f"--header {shlex.quote(f'{name}: {value}')}" for name, value in asked.headers),
    ]
    if asked.body and asked.secrets:
        # As a form, which curl encodes: what a variable holds may be anything.
        items += [f"--data-urlencode {_curl_field(asked, name, value)}" for name, value in asked.body.items()]
    elif asked.body is not None:
        items += ["--header 'Content-Type: application/json'", f"--data {shlex.quote(_json(asked.body))}"]
    return _line([*words, shlex.quote(_full(asked))], items)


def python(asked: Asked) -> str:
    """A whole program."""
    headers = [
        *(
            (name, f'f"{before}{{os.environ[{variable!r}]}}"' if before else f'os.environ["{variable}"]')
            for name, (before, variable) in asked.credential.items()
        ),
        *((name, _literal(value) + ("" if value.isascii() else ".encode()")) for name, value in asked.headers),
    ]
    fields = [
        (name, f'os.environ["{asked.secrets[name]}"]' if name in asked.secrets else _literal(value))
        for name, value in (asked.body or {}).items()
    ]
    query = [(name, _literal(value)) for name, value in asked.query]
    lines = [*(["import os", ""] if asked.credential or asked.secrets else []), "import requests", ""]
    lines += [f"answer = requests.{asked.method.lower()}(", f"    {_literal(asked.address)},"]
    for argument, values in (("headers", headers), ("params", query)):
        if values:
            lines += _argument(argument, values)
    if asked.body is not None:
        lines += _argument("json", fields)
    return "\n".join([*lines, "    timeout=30,", ")", "print(answer.status_code)", "print(answer.text)"])


def _argument(name: str, values: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not values:
        yield f"    {name}={{}},"
        return
    yield f"    {name}={{"
    for key, value in values:
        yield f"        {_literal(key)}: {value},"
    yield "    },"


def _literal(value: Any) -> str:
    """As Python writes it; text in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return repr(value)


def _line(words: Sequence[str], items: Sequence[str]) -> str:
    """One line when it is short, else an item on each."""
    whole = " ".join([*words, *items])
    return whole if len(whole) <= 100 else " \\\n  ".join([" ".join(words), *items])


def _with_variable(text: str, variable: str) -> str:
    """A word of the shell that ends with the value of a variable; `text` is ours, and needs no quotes of its own."""
    return f'"{text}${variable}"'


def _httpie_field(asked: Asked, name: str, value: Any) -> str:
    if name in asked.secrets:
        return _with_variable(f"{name}=", asked.secrets[name])
    if isinstance(value, str) and not _is_awkward(value):
        return shlex.quote(f"{name}={value}")
    return shlex.quote(f"{name}:={_json(value)}")


def _is_awkward(value: str) -> bool:
    """Whether HTTPie would take a part of the value for a separator, or a backslash off."""
    return value.startswith(("=", "@")) or "\\" in value


def _curl_field(asked: Asked, name: str, value: Any) -> str:
    if name in asked.secrets:
        return _with_variable(f"{name}=", asked.secrets[name])
    return shlex.quote(f"{name}={value if isinstance(value, str) else _json(value)}")


def _full(asked: Asked) -> str:
    return f"{asked.address}?{urlencode(asked.query)}" if asked.query else asked.address


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
