"""JSON patches (RFC 6902): add, remove, replace, move, copy and test, in order, all or none.

Follows the library upstream uses (evanphx/json-patch): negative indexes count from the end, a missing `value` in `add`
and `replace` is null, `replace` of an absent field adds it, `copy` of one adds a null, and a `test` for null holds
where the field is absent. What copies add is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from pybernetes.api.go_json import is_too_deep
from pybernetes.api.patch.error import PatchError, TestFailed

Document = dict[str, Any]
Operation = Mapping[str, Any]
Path = tuple[str, ...]

_MISSING = object()
MOST_COPIED_BYTES = 3 * 1024 * 1024


def apply(document: Document, operations: Sequence[Operation]) -> Document:
    """Raises PatchError, or TestFailed when a `test` does not hold."""
    result: Any = document
    copied = 0
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise PatchError("json: cannot unmarshal the patch: an operation is not an object")
        kind = operation.get("op")
        act = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if act is None:
            raise PatchError(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
        if act is _copy:
            copied += _size(result, operation)
            if copied > MOST_COPIED_BYTES:
                raise PatchError(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                    f"exceeding the limit {MOST_COPIED_BYTES}"
                )
        result = act(result, operation)
    if not isinstance(result, dict):
        raise PatchError("the patched document is not an object")
    if is_too_deep(result):
        raise PatchError("exceeded max depth")
    return result


def _size(document: Any, operation: Operation) -> int:
    """Of what would be copied."""
    found = _find(document, _path(operation, "from"))
    return 0 if found is _MISSING else len(orjson.dumps(found, default=str))


def _add(document: Any, operation: Operation) -> Any:
    path = _path(operation, "path")
    if not path:
        raise PatchError('add operation does not apply: doc is missing path: "": missing value')
    return _put(document, path, operation.get("value"), "add", path)


def _remove(document: Any, operation: Operation) -> Any:
    path = _path(operation, "path")
    return _without(document, path, "remove", path)


def _replace(document: Any, operation: Operation) -> Any:
    path = _path(operation, "path")
    if not operation["path"] and isinstance(operation.get("value"), dict):
        return operation["value"]
    return _changed(document, path, lambda holder, key: _set(holder, key, operation.get("value")), "replace", path)


def _move(document: Any, operation: Operation) -> Any:
    origin, path = _path(operation, "from"), _path(operation, "path")
    value = _required(document, origin, "move")
    if path[: len(origin)] == origin and len(path) > len(origin):
        raise PatchError(f"move operation does not apply: {_text(path)} is inside {_text(origin)}")
    return _put(_without(document, origin, "move", origin), path, value, "move", path)


def _copy(document: Any, operation: Operation) -> Any:
    origin, path = _path(operation, "from"), _path(operation, "path")
    found = _find(document, origin)
    if not origin or (found is _MISSING and not isinstance(_find(document, origin[:-1]), dict)):
        raise PatchError(f'copy operation does not apply: doc is missing from path: "{_text(origin)}": missing value')
    return _put(document, path, None if found is _MISSING else found, "copy", path)


def _test(document: Any, operation: Operation) -> Any:
    path = _path(operation, "path")
    found, wanted = _find(document, path), operation.get("value")
    if operation["path"] and (not path or (found is _MISSING and not isinstance(_find(document, path[:-1]), dict))):
        raise PatchError(f"test operation does not apply: is missing path: {_text(path)}: missing value")
    if not _same(None if found is _MISSING else found, wanted):
        raise TestFailed(f"testing value {_text(path)} failed: test failed")
    return document


_OPERATIONS: dict[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


# -- places ----------------------------------------------------------------------------------------------------------


def _path(operation: Operation, name: str) -> Path:
    text = operation.get(name)
    if not isinstance(text, str):
        raise PatchError(f"{operation['op']} operation does not apply: operation has no {name}")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _text(path: Path) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _find(document: Any, path: Path) -> Any:
    for part in path:
        if isinstance(document, dict):
            document = document.get(part, _MISSING)
        elif isinstance(document, list):
            index = _index(part)
            document = document[index] if index is not None and -len(document) <= index < len(document) else _MISSING
        else:
            return _MISSING
    return document


def _required(document: Any, path: Path, kind: str) -> Any:
    found = _find(document, path)
    if found is _MISSING:
        raise PatchError(f'{kind} operation does not apply: doc is missing from path: "{_text(path)}": missing value')
    return found


def _index(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


_MOST_DIGITS = 18


# -- changes ---------------------------------------------------------------------------------------------------------


def _put(document: Any, path: Path, value: Any, kind: str, whole: Path) -> Any:
    if not path:
        return value
    return _changed(document, path, lambda holder, key: _insert(holder, key, value), kind, whole)


def _without(document: Any, path: Path, kind: str, whole: Path) -> Any:
    if not path:
        raise PatchError(f"{kind} operation does not apply: the whole document cannot be removed")
    return _changed(document, path, _delete, kind, whole)


def _changed(document: Any, path: Path, act: Callable[[Any, str], None], kind: str, whole: Path) -> Any:
    """A copy of the document, along the path only, whose last holder `act` has changed."""
    if not path:
        raise PatchError(f"{kind} operation does not apply: the path is empty")
    if not isinstance(document, dict | list):
        raise _no_path(kind, whole)
    holder: Any = document.copy()
    part, rest = path[0], path[1:]
    if not rest:
        try:
            act(holder, part)
        except PatchError as error:
            raise PatchError(f"error in {kind} for path: '{_text(whole)}': {error}") from error
        return holder
    below = _find(document, (part,))
    if below is _MISSING:
        raise _no_path(kind, whole)
    _set(holder, part, _changed(below, rest, act, kind, whole))
    return holder


def _no_path(kind: str, path: Path) -> PatchError:
    return PatchError(f'{kind} operation does not apply: doc is missing path: "{_text(path)}": missing value')


def _set(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder[_place(holder, key, len(holder) - 1)] = value


def _insert(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    elif key == "-":
        holder.append(value)
    else:
        index = _index(key)
        if index is not None and index < 0:
            index += len(holder) + 1
        holder.insert(_place(holder, key if index is None else str(index), len(holder)), value)


def _delete(holder: Any, key: str) -> None:
    if isinstance(holder, dict):
        if key not in holder:
            raise PatchError(f"Unable to remove nonexistent key: {key}: missing value")
        del holder[key]
    else:
        del holder[_place(holder, key, len(holder) - 1)]


def _place(holder: list[Any], key: str, last: int) -> int:
    index = _index(key)
    if index is None:
        why = "value out of range" if key.lstrip("+-").isdigit() else "invalid syntax"
        raise PatchError(f'strconv.Atoi: parsing "{key}": {why}')
    if index > last or index < -len(holder):
        raise PatchError(f"Unable to access invalid index: {key}: invalid index referenced")
    return index


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values, where neither true nor 1.0 is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
