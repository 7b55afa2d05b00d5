"""Selectors: which objects are meant, by labels or by fields.

`LabelSelector.parse("app in (web, api), !canary")`, `from_model` (the struct in specs), `from_map`; `.matches(labels)`.
A selector without requirements matches everything. As in upstream, `from_model(None)` matches nothing.

Follows k8s.io/apimachinery/pkg/labels and pkg/fields, with their messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Self

from pybernetes.api.fields import FieldError, FieldPath, aggregate, invalid
from pybernetes.api.models.meta_v1 import LabelSelector as LabelSelectorModel
from pybernetes.api.names import is_label_value, is_qualified_name


class SelectorError(ValueError):
    """The text, or the struct, is not a selector."""


class Operator(StrEnum):
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = "gt"
    LESS_THAN = "lt"


Test = Callable[[Mapping[str, str]], bool]

_NO_LABELS: Mapping[str, str] = {}


def _never(labels: Mapping[str, str]) -> bool:
    return False


_SYMBOLS = {Operator.GREATER_THAN: ">", Operator.LESS_THAN: "<"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.test()(labels)

    def test(self) -> Test:
        """The condition as a function: it is asked for every object of every list."""
        key, values = self.key, frozenset(self.values)
        match self.operator:
            case Operator.EQUALS | Operator.DOUBLE_EQUALS:
                value = self.values[0]
                return lambda labels: labels.get(key) == value
            case Operator.IN:
                return lambda labels: labels.get(key) in values
            case Operator.NOT_EQUALS | Operator.NOT_IN:
                return lambda labels: labels.get(key) not in values
            case Operator.EXISTS:
                return lambda labels: key in labels
            case Operator.DOES_NOT_EXIST:
                return lambda labels: key not in labels
            case _:
                return lambda labels: self._compares(labels.get(key))

    def _compares(self, label: str | None) -> bool:
        if label is None:
            return False
        try:
            have, bound = int(label), int(self.values[0])
        except ValueError:
            return False
        return have > bound if self.operator is Operator.GREATER_THAN else have < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return "!" + self.key
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value} ({','.join(sorted(self.values))})"
            case _:
                return f"{self.key}{_SYMBOLS.get(self.operator, self.operator.value)}{self.values[0]}"

    def problems(self) -> list[FieldError]:
        """What is wrong with it, as upstream's NewRequirement says."""
        key, values = FieldPath("key"), FieldPath("values")
        found = [invalid(key, self.key, "; ".join(messages)) for messages in (is_qualified_name(self.key),) if messages]
        match self.operator:
            case Operator.IN | Operator.NOT_IN:
                if not self.values:
                    found.append(invalid(values, [], "for 'in', 'notin' operators, values set can't be empty"))
            case Operator.EQUALS | Operator.DOUBLE_EQUALS | Operator.NOT_EQUALS:
                if len(self.values) != 1:
                    found.append(
                        invalid(values, list(self.values), "exact-match compatibility requires one single value")
                    )
            case Operator.EXISTS | Operator.DOES_NOT_EXIST:
                if self.values:
                    found.append(
                        invalid(values, list(self.values), "values set must be empty for exists and does not exist")
                    )
            case _:
                found += self._bound_problems(values)
        for index, one in enumerate(self.values):
            messages = is_label_value(one)
            if messages:
                found.append(invalid(values[index][self.key], one, "; ".join(messages)))
        return found

    def _bound_problems(self, path: FieldPath) -> list[FieldError]:
        if len(self.values) != 1:
            return [invalid(path, list(self.values), "for 'Gt', 'Lt' operators, exactly one value is required")]
        if not re.fullmatch(r"[-+]?\d+", self.values[0]):
            return [
                invalid(path[0], self.values[0], "for 'Gt', 'Lt' operators, the value must be an integer"),
            ]
        return []


@dataclass(frozen=True, slots=True)
class LabelSelector:
    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Matches no object at all."""
    _tests: tuple[Test, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        tests = tuple(requirement.test() for requirement in self.requirements)
        object.__setattr__(self, "_tests", (_never,) if self.nothing else tests)

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        have = labels or _NO_LABELS
        for test in self._tests:  # noqa: SIM110 - a generator costs as much as the tests
            if not test(have):
                return False
        return True

    @property
    def empty(self) -> bool:
        """Matches everything."""
        return not self.requirements and not self.nothing

    def __bool__(self) -> bool:
        return not self.empty

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)

    def __and__(self, other: LabelSelector) -> LabelSelector:
        return LabelSelector(self.requirements + other.requirements, self.nothing or other.nothing)

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Raises SelectorError with upstream's message."""
        return _parsed(text)

    @classmethod
    def from_map(cls, labels: Mapping[str, str]) -> Self:
        return cls(tuple(Requirement(key, Operator.EQUALS, (labels[key],)) for key in sorted(labels)))

    @classmethod
    def from_model(cls, model: LabelSelectorModel | None) -> Self:
        """None selects nothing, an empty struct everything. Raises SelectorError for an unknown operator."""
        if model is None:
            return cls(nothing=True)
        found = [Requirement(key, Operator.EQUALS, (value,)) for key, value in model.match_labels.items()]
        for expression in model.match_expressions:
            operator = _MODEL_OPERATORS.get(expression.operator)
            if operator is None:
                raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
            found.append(Requirement(expression.key, operator, tuple(expression.values)))
        return cls(tuple(sorted(found, key=lambda requirement: requirement.key)))


NOTHING = LabelSelector(nothing=True)
EVERYTHING = LabelSelector()

_MODEL_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
    "Gt": Operator.GREATER_THAN,
    "Lt": Operator.LESS_THAN,
}

# -- the grammar of label selectors ----------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)")
_OPERATOR_TOKENS = {
    "=": Operator.EQUALS,
    "==": Operator.DOUBLE_EQUALS,
    "!=": Operator.NOT_EQUALS,
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
}
_SYMBOL_TOKENS = frozenset(("", "=", "==", "!=", "!", "(", ")", ",", "<", ">"))
_BINARY = "in, notin, =, ==, !=, gt, lt"


@lru_cache(maxsize=4096)
def _parsed(text: str) -> LabelSelector:
    return LabelSelector(tuple(sorted(_Parser(text).requirements(), key=lambda requirement: requirement.key)))


class _Parser:
    """Recursive descent over the tokens; "" is the end of the text."""

    def __init__(self, text: str) -> None:
        self.tokens = [match[1] for match in _TOKEN.finditer(text) if match[1]]
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def requirements(self) -> Iterable[Requirement]:
        if not self.peek():
            return
        while True:
            token = self.peek()
            if token in _SYMBOL_TOKENS and token != "!":
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                yield self.checked()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from error
            token = self.take()
            if not token:
                return
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            if (after := self.peek()) in _SYMBOL_TOKENS and after != "!":
                raise SelectorError(f"found '{after}', expected: identifier after ','")

    def checked(self) -> Requirement:
        requirement = self.requirement()
        if problems := requirement.problems():
            raise SelectorError(aggregate(problems))
        return requirement

    def requirement(self) -> Requirement:
        absent = self.peek() == "!"
        if absent:
            self.take()
        key = self.take()
        if key in _SYMBOL_TOKENS:
            raise SelectorError(f"found '{key}', expected: identifier")
        if messages := is_qualified_name(key):
            # Keys are looked at before there is a path that could be named.
            raise SelectorError(str(invalid(FieldPath("<nil>"), key, "; ".join(messages))))
        if absent:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self.peek() in ("", ","):
            return Requirement(key, Operator.EXISTS)
        token = self.take()
        operator = _OPERATOR_TOKENS.get(token)
        if operator is None:
            raise SelectorError(f"found '{token}', expected: {_BINARY}")
        if operator in (Operator.IN, Operator.NOT_IN):
            return Requirement(key, operator, tuple(dict.fromkeys(self.values())))
        return Requirement(key, operator, (self.value(),))

    def value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        token = self.take()
        if token in _SYMBOL_TOKENS:
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def values(self) -> Iterable[str]:
        token = self.take()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        if self.peek() == ")":
            self.take()
            yield ""
            return
        while True:
            token = self.peek()
            if token == ",":
                self.take()
                yield ""
                if self.peek() == ")":
                    self.take()
                    yield ""
                    return
                continue
            if token in _SYMBOL_TOKENS:
                raise SelectorError(f"found '{token}', expected: ',', ')' or identifier")
            yield self.take()
            token = self.take()
            if token == ")":
                return
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or ')'")
            if self.peek() == ")":
                self.take()
                yield ""
                return


# -- fields ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    field: str
    operator: Operator
    value: str

    def matches(self, value: str) -> bool:
        return (value == self.value) is not (self.operator is Operator.NOT_EQUALS)

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{self.operator.value}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, get: Callable[[str], str]) -> bool:
        return all(requirement.matches(get(requirement.field)) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        return not self.requirements

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that the field must have, if the selector names one."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator is not Operator.NOT_EQUALS:
                return requirement.value
        return None

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """Raises SelectorError with upstream's message. A term of nothing but an operator says nothing."""
        found = []
        for term in _terms(text):
            if not term:
                continue
            found.append(_field_requirement(text, term))
        return cls(tuple(one for one in found if one.field or one.value))


def _terms(text: str) -> Sequence[str]:
    """The text cut at its commas, but for those after a backslash."""
    return [term for term in re.split(r"(?<!\\)(?:\\\\)*,", text) if term] if "\\" in text else text.split(",")


def _field_requirement(text: str, term: str) -> FieldRequirement:
    match = re.search(r"(?<!\\)(!=|==|=)", term)
    if match is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
    field, value = term[: match.start()], term[match.end() :]
    if re.search(r"\\[^\\,=]|\\$", value.replace("\\\\", "")):
        raise SelectorError(f"invalid field selector: invalid escape sequence: {value}")
    if re.search(r"(?<!\\)=", value):
        raise SelectorError(f"invalid field selector: unescaped character in value: {ord('=')}")
    operator = Operator.NOT_EQUALS if match[1] == "!=" else Operator.EQUALS
    return FieldRequirement(field, operator, re.sub(r"\\([\\,=])", r"\1", value))
