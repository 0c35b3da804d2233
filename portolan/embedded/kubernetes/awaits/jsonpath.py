"""The part of kubectl's JSONPath that `pulumi.com/waitFor` uses: fields, indexes, `[*]` and `[?(@.field=="value")]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from portolan.errors import PortolanError

_TOKEN = re.compile(
    r"""
    \.(?P<field>(?:[^.\[\]\\]|\\.)+)
  | \[(?P<index>-?\d+)\]
  | \[(?P<every>\*)\]
  | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
  | \[\?\(\s*@(?P<inner>[^=!<>\s]*)\s*(?:(?P<operator>==|!=)\s*(?P<value>[^)]+?)\s*)?\)\]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Step:
    """One step of a path."""

    field: str | None = None
    index: int | None = None
    inner: tuple[Step, ...] | None = None
    operator: str = ""
    value: Any = None


@dataclass(frozen=True)
class Expression:
    """A path and, after `=`, the value that is wanted; without one it is enough that something is there."""

    text: str
    steps: tuple[Step, ...]
    wanted: str | None


def parse(text: str) -> Expression:
    """Return `{.status.phase}=Running` parsed; raises PortolanError for what is no such expression."""
    body, brace, rest = text.partition("}")
    if body.startswith("{"):
        path, wanted = body[1:], rest[1:] if rest.startswith("=") else None
        if not brace or (rest and not rest.startswith("=")):
            raise _bad(text)
    else:
        match = re.match(r"^((?:[^=\[]|\[[^\]]*\])*)(?:=(.*))?$", text)
        if not match:
            raise _bad(text)
        path, wanted = match.group(1), match.group(2)
    if rest.startswith("=") and not wanted:
        raise _bad(text)
    return Expression(text, _steps(path.strip().removeprefix("$"), text), wanted.strip("'\"") if wanted else None)


def _bad(text: str) -> PortolanError:
    return PortolanError(
        f"pulumi.com/waitFor: jsonpath={text}",
        "not a JSONPath that is understood",
        "write jsonpath={.status.phase}=Running",
    )


def _steps(path: str, text: str) -> tuple[Step, ...]:
    path = path if path.startswith((".", "[")) or not path else f".{path}"
    steps: list[Step] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if not match:
            raise _bad(text)
        position = match.end()
        steps.append(_step(match, text))
    if not steps:
        raise _bad(text)
    return tuple(steps)


def _step(match: re.Match[str], text: str) -> Step:
    found = match.groupdict()
    if found["field"] is not None:
        return Step(field=re.sub(r"\\(.)", r"\1", found["field"]))
    if found["quoted"] is not None:
        return Step(field=found["quoted"])
    if found["index"] is not None:
        return Step(index=int(found["index"]))
    if found["every"]:
        return Step()
    value = found["value"]
    return Step(
        inner=_steps(found["inner"], text) if found["inner"] else (),
        operator=found["operator"] or "",
        value=_literal(value) if value else None,
    )


def _literal(text: str) -> Any:
    if text[:1] == "'" == text[-1:]:
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def find(steps: tuple[Step, ...], value: Any) -> Iterator[Any]:
    """Yield all that the path leads to."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step.field is not None:
        if isinstance(value, dict) and step.field in value:
            yield from find(rest, value[step.field])
        elif step.field == "*" and isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                yield from find(rest, item)
    elif step.index is not None:
        if isinstance(value, list) and -len(value) <= step.index < len(value):
            yield from find(rest, value[step.index])
    elif isinstance(value, list):
        for item in value:
            if step.inner is None or _matches(step, item):
                yield from find(rest, item)


def _matches(step: Step, item: Any) -> bool:
    found = list(find(step.inner or (), item))
    if not step.operator:
        return bool(found)
    equal = any(one == step.value for one in found)
    return equal if step.operator == "==" else not equal


def satisfied(expression: Expression, target: Any) -> bool:
    """Tell whether an object is what the expression wants.

    >>> satisfied(parse("{.status.phase}=Bound"), {"status": {"phase": "Bound"}})
    True
    """
    found = list(find(expression.steps, target))
    if expression.wanted is None:
        return any(one not in (None, "") for one in found)
    return bool(found) and all(_printed(one) == expression.wanted for one in found)


def _printed(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
