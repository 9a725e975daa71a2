"""The OpenAPI schema as a reader wants it: every operation with what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loyaltycrm.core.api.operations import SCOPE
from loyaltycrm.lib.guides import Inline, inlines_of

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """One value that is sent or answered; one inside another is named like `lines[].net_cents`."""

    name: str
    kind: str
    is_required: bool
    words: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """One operation. `scope` is what the key has to be allowed, None where any key will do."""

    method: str
    path: str
    summary: str
    words: tuple[Inline, ...]
    scope: str | None
    ends: str | None
    status: str
    headers: tuple[Value, ...]
    query: tuple[Value, ...]
    body: tuple[Value, ...]
    answer: tuple[Value, ...]

    @property
    def anchor(self) -> str:
        """Where it stands on the page."""
        return f"{self.method}{self.path}".lower().replace("/", "-")


@dataclass(frozen=True, slots=True)
class Group:
    """The operations on one kind of thing."""

    name: str
    operations: tuple[Described, ...]


def groups_of(schema: Schema) -> list[Group]:
    """Every operation of the schema under its tag, both in the order in which they were declared."""
    found: dict[str, list[Described]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            described = _described(schema, path, method.upper(), operation)
            found.setdefault((operation.get("tags") or [""])[0], []).append(described)
    return [Group(name, tuple(operations)) for name, operations in found.items()]


def _described(schema: Schema, path: str, method: str, operation: Schema) -> Described:
    status = next(code for code in operation["responses"] if str(code).startswith("2"))
    sent = operation.get("requestBody", {})
    return Described(
        method=method,
        path=path,
        summary=operation["summary"],
        words=inlines_of(operation.get("description", "")),
        scope=operation.get(SCOPE),
        ends=operation.get("x-sunset"),
        status=str(status),
        headers=_parameters(schema, operation, "header"),
        query=_parameters(schema, operation, "query"),
        body=tuple(_inside(schema, _content(sent))),
        answer=tuple(_inside(schema, _content(operation["responses"][status]))),
    )


def _content(holder: Schema) -> Schema:
    return holder.get("content", {}).get("application/json", {}).get("schema", {})  # type: ignore[no-any-return]


def _parameters(schema: Schema, operation: Schema, place: str) -> tuple[Value, ...]:
    return tuple(
        Value(one["name"], kind_of(schema, one["schema"]), one["required"], _words(one["schema"], one))
        for one in operation["parameters"]
        if one["in"] == place
    )


def _inside(schema: Schema, of: Schema, before: str = "") -> Iterator[Value]:
    of = _resolved(schema, of)
    required = of.get("required", ())
    for name, part in of.get("properties", {}).items():
        whole = f"{before}{name}"
        yield Value(whole, kind_of(schema, part), name in required, _words(part, {}))
        inner = _resolved(schema, part)
        if inner.get("type") == "array":
            yield from _inside(schema, inner["items"], f"{whole}[].")
        elif "properties" in inner:
            yield from _inside(schema, inner, f"{whole}.")


def _resolved(schema: Schema, part: Schema) -> Schema:
    """What a reference leads to; of a choice with null the other."""
    while "$ref" in part or "anyOf" in part:
        if "anyOf" in part:
            others = [one for one in part["anyOf"] if one.get("type") != "null"]
            part = others[0]
        else:
            part = schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
    return part


def _words(part: Schema, beside: Schema) -> tuple[Inline, ...]:
    said = beside.get("description") or part.get("description") or ""
    default = part.get("default")
    told = "" if default in (None, "", []) else f"Default: {default}."
    return inlines_of(" ".join(text for text in (said, told) if text))


def kind_of(schema: Schema, part: Schema) -> str:
    """What a value is and its bounds, in a few words."""
    is_optional = any(one.get("type") == "null" for one in part.get("anyOf", ()))
    inner = _resolved(schema, part)
    kind = _plain_kind(schema, inner)
    return f"{kind}, or null" if is_optional else kind


def _plain_kind(schema: Schema, inner: Schema) -> str:
    if "enum" in inner or "const" in inner:
        choices = inner.get("enum", [inner.get("const")])
        return "one of " + ", ".join(str(choice) or "an empty text" for choice in choices)
    kind = inner.get("type")
    if kind == "array":
        most = f" of at most {inner['maxItems']}" if "maxItems" in inner else ""
        return f"list{most}"
    if kind == "string":
        if "format" in inner:
            return {"date": "day, such as 2026-07-14", "date-time": "instant, such as 2026-07-14T10:00:00Z"}[
                inner["format"]
            ]
        return _bounded("text", inner.get("minLength"), inner.get("maxLength"), " characters")
    if kind == "integer":
        return _bounded("whole number", inner.get("minimum"), inner.get("maximum"))
    return {"boolean": "true or false", "object": "object"}.get(str(kind), str(kind))


def _bounded(what: str, least: int | None, most: int | None, unit: str = "") -> str:
    if least is not None and most is not None:
        return f"{what}, {least:,} to {most:,}{unit}"
    if most is not None:
        return f"{what}, at most {most:,}{unit}"
    return f"{what}, at least {least:,}{unit}" if least else what
