"""Text → tree, with the parser of cel-cpp; macros that it does not know are expanded here.

Follows k8s.io/apiserver/pkg/cel/environment/base.go in what is part of the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pybernetes.cel import macros, tree
from pybernetes.cel.errors import CompileError, Issue
from pybernetes.cel.macros import Expand
from pybernetes.cel.values import UInt


def parse(text: str, *, expand: Expand = macros.expand) -> tree.Tree:
    """``expand`` are the macros beyond the parser's own. Raises ``CompileError`` with the parser's words."""
    from pybernetes.cel import syntax_pb2

    try:
        serialized = _parser()(text)
    except RuntimeError as error:
        words = _words(str(error))
        raise CompileError(words if text else words.replace(":1:1:", ":1:0:", 1)) from None
    parsed = syntax_pb2.ParsedExpr.FromString(_inside_any(serialized))
    builder = _Builder(text, dict(parsed.source_info.positions), expand)
    root = builder.node(parsed.expr)
    if builder.issues:
        raise CompileError.of(text, builder.issues)
    return tree.Tree(text, root, builder.positions)


@cache
def _parser() -> Callable[[str], bytes]:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_optional

    environment = cel.NewEnv(extensions=[ext_optional.ExtOptional()])

    def parse_text(text: str) -> bytes:
        serialized: bytes = environment.compile(text, disable_check=True).serialize()
        return serialized

    return parse_text


def _words(message: str) -> str:
    message = message.removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
    message = message.split("\nERROR: <input>:4294967295", 1)[0]
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return re.sub(
        r"(?:all|exists|exists_one|map|filter)\(\) variable name must be a simple identifier", _SIMPLE, message
    )


_SIMPLE = "argument must be a simple name"
_WORDS = {"has() argument must be a field selection": "invalid argument to has() macro"}
"""Where the library's words are not those that Kubernetes' users know."""


def _inside_any(serialized: bytes) -> bytes:
    from google.protobuf.any_pb2 import Any as Wrapped

    return Wrapped.FromString(serialized).value


class _Builder:
    def __init__(self, text: str, positions: dict[int, int], expand: Expand) -> None:
        self.text = text
        self._expand = expand
        self.positions = positions
        self.issues: list[Issue] = []
        self._last = max(positions, default=0)

    def node(self, expr: Any) -> tree.Node:
        return _BUILD[expr.WhichOneof("kind") or ""](self, expr)

    def nodes(self, exprs: Sequence[Any]) -> list[tree.Node]:
        return [self.node(one) for one in exprs]

    def fresh(self, like: int) -> int:
        """The id of a node that a macro adds, at the place of the macro."""
        self._last += 1
        self.positions[self._last] = self.positions.get(like, 0)
        return self._last

    def fail(self, id: int, message: str) -> None:
        self.issues.append(Issue(self.positions.get(id, 0), message))

    def constant(self, expr: Any) -> tree.Node:
        kind = expr.const_expr.WhichOneof("kind")
        value: Any = None if kind == "null_value" else getattr(expr.const_expr, kind)
        return tree.Literal(expr.id, UInt(value) if kind == "uint64_value" else value)

    def ident(self, expr: Any) -> tree.Node:
        return tree.Ident(expr.id, expr.ident_expr.name)

    def select(self, expr: Any) -> tree.Node:
        select = expr.select_expr
        if not select.field.isidentifier():
            self.issues.append(Issue(self.positions.get(expr.id, 0) + 1, "unsupported syntax: '`'"))
        return tree.Select(expr.id, self.node(select.operand), select.field, select.test_only)

    def call(self, expr: Any) -> tree.Node:
        call = expr.call_expr
        target = self.node(call.target) if call.HasField("target") else None
        made = tree.Call(expr.id, call.function, target, self.nodes(call.args))
        return self._expand(made, self.fresh, self.fail)

    def list(self, expr: Any) -> tree.Node:
        made = expr.list_expr
        return tree.ListNode(expr.id, self.nodes(made.elements), frozenset(made.optional_indices))

    def struct(self, expr: Any) -> tree.Node:
        made = expr.struct_expr
        if made.message_name:
            # It stands where its fields begin.
            self.positions[expr.id] = max(self.text.find("{", self.positions.get(expr.id, 0)), 0)
            return tree.Struct(
                expr.id,
                made.message_name,
                [
                    tree.StructField(one.id, one.field_key, self.node(one.value), one.optional_entry)
                    for one in made.entries
                ],
            )
        return tree.MapNode(
            expr.id,
            [
                tree.Entry(one.id, self.node(one.map_key), self.node(one.value), one.optional_entry)
                for one in made.entries
            ],
        )

    def comprehension(self, expr: Any) -> tree.Node:
        made = expr.comprehension_expr
        return tree.Comprehension(
            expr.id,
            made.iter_var,
            made.iter_var2,
            self.node(made.iter_range),
            made.accu_var,
            self.node(made.accu_init),
            self.node(made.loop_condition),
            self.node(made.loop_step),
            self.node(made.result),
        )


_BUILD: dict[str, Callable[[_Builder, Any], tree.Node]] = {
    "const_expr": _Builder.constant,
    "ident_expr": _Builder.ident,
    "select_expr": _Builder.select,
    "call_expr": _Builder.call,
    "list_expr": _Builder.list,
    "struct_expr": _Builder.struct,
    "comprehension_expr": _Builder.comprehension,
}
