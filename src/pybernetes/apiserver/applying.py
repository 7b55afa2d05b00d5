"""Server-side apply at the door: the configuration as it was sent, and the object it makes.

Follows k8s.io/apiserver/pkg/endpoints/handlers/patch.go (applyPatcher) and versioncheck.go, lastappliedmanager.go and
lastappliedupdater.go of k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from msgspec.structs import replace

from pybernetes.api import errors, go_json
from pybernetes.api.kinds import KindInfo
from pybernetes.api.patch import PatchError, checking
from pybernetes.api.patch.apply import Applied, Author, Conflicts, apply
from pybernetes.api.patch.error import UnfitVersion
from pybernetes.api.patch.field_set import EMPTY, Fields, difference
from pybernetes.api.patch.managed import Managers
from pybernetes.api.patch.pruning import Typed
from pybernetes.api.patch.structured import compare, fields_of
from pybernetes.api.schema import DecodeError, Shape
from pybernetes.api.schema.conversion import convert
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.reset_fields import Keep
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.tracking import check_place
from pybernetes.apiserver.write_options import FieldValidation
from pybernetes.apiserver.yaml_body import UnreadableYaml, read_yaml, repeated_keys

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"
"""The manager whose applies take over from what its client applied before."""
LARGEST_ANNOTATIONS = 256 * 1024


class Configuration(msgspec.Struct, frozen=True):
    """What an apply wants. ``force`` takes fields from other managers."""

    document: Document
    force: bool
    warnings: Sequence[str]


def read_configuration(request: ApiRequest, info: KindInfo, typed: Typed, mode: FieldValidation) -> Configuration:
    """Raises 400 for what is no configuration of the kind, 500 (as upstream does) for what does not fit its schema."""
    try:
        document = read_yaml(request.body)
    except UnreadableYaml as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise errors.bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{go_json.type_of(document)} into Go value of type map[string]interface {{}}"
        )
    _check_kind(document, info)
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    wrong = checking.problems(document, typed.kind)
    if wrong:
        raise _not_typed(document, info, checking.joined(wrong))
    warnings: Sequence[str] = ()
    if mode is not FieldValidation.IGNORE:
        warnings = _repetitions(request.body, mode)
    return Configuration(document, request.flag("force"), warnings)


def _check_kind(document: Document, info: KindInfo) -> None:
    group, _, version = _text(document.get("apiVersion")).rpartition("/")
    kind = _text(document.get("kind"))
    if "/" in group:
        group = version = kind = ""
    if (group, version, kind) != (info.group, info.version, info.kind):
        raise errors.bad_request(f"invalid object type: {group}/{version}, Kind={kind}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _not_typed(document: Document, info: KindInfo, why: str) -> errors.ApiError:
    metadata = document.get("metadata")
    stated = metadata if isinstance(metadata, dict) else {}
    place = f"{_text(stated.get('namespace'))}/{_text(stated.get('name'))}"
    gvk = f"{info.group}/{info.version}, Kind={info.kind}"
    return errors.ApiError(500, "", f"failed to create typed patch object ({place}; {gvk}): {why}")


def _repetitions(body: bytes, mode: FieldValidation) -> Sequence[str]:
    found = repeated_keys(body)
    if found and mode is FieldValidation.STRICT:
        lines = "\n".join(f"  {one}" for one in found)
        raise errors.bad_request(
            f"error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n{lines}"
        )
    return found


# -- the object ------------------------------------------------------------------------------------------------------


def applied(
    live: Document | None,
    managers: Managers,
    configuration: Configuration,
    typed: Typed,
    author: Author,
    keep: Keep,
) -> Applied:
    """The object as it shall be, with its managers. Raises 409 naming every field that another manager has."""

    def attempt(*, force: bool) -> Applied | Conflicts:
        try:
            return apply(live, configuration.document, managers, typed, author, keep, force=force)
        except UnfitVersion as error:
            raise errors.ApiError(500, "", str(error)) from error
        except PatchError as error:
            raise errors.ApiError(500, "", f"failed to merge config: {error}") from error

    result = attempt(force=configuration.force)
    if isinstance(result, Conflicts) and author.manager == KUBECTL:
        left = result.beside(_client_applied(live, typed, author.api_version))
        result = left if left.conflicts else attempt(force=True)
    if isinstance(result, Conflicts):
        raise errors.apply_conflict(result.message, result.causes)
    if author.manager == KUBECTL:
        return replace(result, document=_with_last_applied(result.document, configuration.document))
    return result


def _client_applied(live: Document | None, typed: Typed, api_version: str) -> Fields:
    """The fields that kubectl has applied as a client and that nobody changed since."""
    text = _annotations(live).get(LAST_APPLIED)
    if not live or not text:
        return EMPTY
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return EMPTY
    if not isinstance(last, dict) or last.get("apiVersion") != api_version or checking.problems(last, typed.kind):
        return EMPTY
    found = compare(last, live, typed.kind)
    fields = fields_of(last, typed.kind)
    return difference(difference(fields, found.set), found.removed)


def _with_last_applied(document: Document, config: Document) -> Document:
    """With the annotation of client-side apply kept up, where there is one."""
    annotations = _annotations(document)
    if not annotations.get(LAST_APPLIED):
        return document
    stated = {name: value for name, value in _annotations(config).items() if name != LAST_APPLIED}
    metadata = {name: value for name, value in (config.get("metadata") or {}).items() if name != "annotations"}
    if stated:
        metadata["annotations"] = stated
    text = go_json.escaped(orjson.dumps({**config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode()) + "\n"
    kept = {**annotations, LAST_APPLIED: text}
    if sum(len(name.encode()) + len(value.encode()) for name, value in kept.items()) > LARGEST_ANNOTATIONS:
        del kept[LAST_APPLIED]
    return {**document, "metadata": {**document["metadata"], "annotations": kept}}


def _annotations(document: Document | None) -> Document:
    found: Document = ((document or {}).get("metadata") or {}).get("annotations") or {}
    return found


def converted(document: Document, configuration: Configuration, shape: Shape, info: KindInfo) -> Document:
    """The applied document, read against the schema. Raises 500 (as upstream does) for values that are unreadable."""
    try:
        return convert(document, shape.read_applied, shape.definition).document
    except DecodeError as error:
        stated, kind = configuration.document.get("metadata") or {}, f"{info.group}/{info.version}, Kind={info.kind}"
        raise errors.ApiError(
            500,
            "",
            f"failed to convert new object ({stated.get('namespace', '')}/{stated.get('name', '')}; {kind}) "
            f"to proper version: unable to convert unstructured object to {kind}: {error}",
        ) from error


def completed(document: Document, info: KindInfo, namespace: str, name: str, *, is_new: bool) -> Document:
    """The applied document as an object of the kind. Raises 400 and 409 for one that is not the object of the URL."""
    metadata = document.setdefault("metadata", {})
    if is_new and metadata.get("uid"):
        why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
        raise errors.conflict(info.group_resource, name, why)
    check_place(metadata, namespace, name)
    return document
