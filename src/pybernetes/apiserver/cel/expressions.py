"""Expressions about requests, compiled for what they may name and what they must give.

Follows k8s.io/apiserver/pkg/admission/plugin/cel/compile.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from pybernetes.apiserver.cel.admission_types import AUTHORIZATION, PARAMS, REQUEST_VARIABLES
from pybernetes.cel import library
from pybernetes.cel.environment import Environment, Program
from pybernetes.cel.errors import CompileError
from pybernetes.cel.types import BOOL, Type, shown_type


class ExpressionError(Exception):
    """An expression does not compile or gives something else; the message is for the one who wrote it."""


@cache
def about_requests(*, params: bool = False, authorizer: bool = True) -> Environment:
    return Environment(request_variables(params=params, authorizer=authorizer), library.base())


def request_variables(*, params: bool, authorizer: bool) -> Mapping[str, Type]:
    return {**REQUEST_VARIABLES, **(PARAMS if params else {}), **(AUTHORIZATION if authorizer else {})}


def compile_for(environment: Environment, text: str, results: Sequence[Type] = (BOOL,)) -> Program:
    """``results`` are the types allowed, any where none is named. Raises ``ExpressionError``."""
    try:
        program = environment.compile(text)
    except CompileError as error:
        raise ExpressionError(f"compilation failed: {error}") from None
    found = program.result
    if results and found not in results:
        shown = " ".join(map(shown_type, results))
        expected = shown if len(results) == 1 else f"one of [{shown}]"
        raise ExpressionError(f"must evaluate to {expected} but got {shown_type(found)}")
    return program
