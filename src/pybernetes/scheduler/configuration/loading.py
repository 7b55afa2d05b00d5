"""A configuration file → what the scheduler is built from: read strictly, defaulted and checked.

Both kinds are read: `KubeSchedulerConfiguration` (kubescheduler.config.k8s.io/v1) and the classic `Policy` (v1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from pybernetes.api.durations import InvalidDuration
from pybernetes.api.fields import aggregate, quoted
from pybernetes.scheduler.configuration import policy
from pybernetes.scheduler.configuration.arguments import Arguments, NodeResourcesFitArgs
from pybernetes.scheduler.configuration.documents import KubeSchedulerConfiguration, LeaderElection, SchedulerProfile
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.configuration.validation import validate
from pybernetes.scheduler.pod_info import DEFAULT_SCHEDULER

KIND = "KubeSchedulerConfiguration"
GROUP_VERSION = "kubescheduler.config.k8s.io/v1"
T = TypeVar("T", bound=msgspec.Struct)
ArgumentTypes = Mapping[str, type[Arguments] | None]
"""What each known plugin takes as its arguments."""
_SCHEME = "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go:29"
_STRICT = "strict decoding error"
_OTHER_TYPE = re.compile(r"Expected `(\w+)(?: \| null)?`, got `(\w+)` - at `\$\.(\w+)`")
_GO_TYPES = {"int": "int32", "str": "string", "bool": "bool", "float": "float32"}
_SIZES = {"podInitialBackoffSeconds": "int64", "podMaxBackoffSeconds": "int64"}
_JSON_TYPES = {"str": "string", "int": "number", "float": "number", "array": "array", "object": "object"}


@dataclass(frozen=True, slots=True)
class Configuration:
    """``arguments`` has, for each profile, those of its plugins by name; plugins that are not in it have none given."""

    document: KubeSchedulerConfiguration
    arguments: tuple[Mapping[str, Arguments], ...]

    @property
    def scheduler_names(self) -> frozenset[str]:
        return frozenset(one.scheduler_name or "" for one in self.document.profiles)


def default_configuration() -> Configuration:
    return Configuration(_with_profiles(KubeSchedulerConfiguration()), ({},))


def load(path: Path, types: ArgumentTypes) -> Configuration:
    """Raises ConfigurationError."""
    import yaml

    try:
        text = path.read_text()
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(str(error)) from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"Object 'Kind' is missing in '{text}'")
    for field, word in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not document.get(field):
            raise ConfigurationError(f"Object '{word}' is missing in '{text}'")
    return read(document, types)


def read(document: Mapping[str, Any], types: ArgumentTypes) -> Configuration:
    """Raises ConfigurationError."""
    kind, version = document.get("kind"), document.get("apiVersion")
    if not kind:
        raise ConfigurationError("Object 'Kind' is missing")
    if kind == policy.KIND and version == "v1":
        document = policy.as_configuration(document)
    elif kind != KIND or version != GROUP_VERSION:
        raise ConfigurationError(
            f"no kind {quoted(str(kind))} is registered for version {quoted(str(version))} in scheme {quoted(_SCHEME)}"
        )
    given = _with_defaults(_with_profiles(decoded(document, KubeSchedulerConfiguration)))
    arguments = [_arguments(index, profile, types) for index, profile in enumerate(given.profiles)]
    try:
        errors = list(validate(given, arguments))
    except InvalidDuration as error:
        raise ConfigurationError(f"leaderElection: {error}") from error
    if errors:
        raise ConfigurationError(aggregate(errors))
    return Configuration(given, tuple(arguments))


def without_managed(given: Configuration) -> Configuration:
    """Resources that extenders see to are nothing to NodeResourcesFit, where the file says so."""
    ignored = {
        resource.name
        for extender in given.document.extenders
        for resource in extender.managed_resources
        if resource.ignored_by_scheduler
    }
    if not ignored:
        return given

    def merged(arguments: Mapping[str, Arguments]) -> Mapping[str, Arguments]:
        fit = arguments.get("NodeResourcesFit")
        known = fit if isinstance(fit, NodeResourcesFitArgs) else NodeResourcesFitArgs()
        names = tuple(sorted(ignored.union(known.ignored_resources)))
        return {**arguments, "NodeResourcesFit": msgspec.structs.replace(known, ignored_resources=names)}

    return Configuration(given.document, tuple(map(merged, given.arguments)))


def _with_profiles(given: KubeSchedulerConfiguration) -> KubeSchedulerConfiguration:
    """One profile when the file has none; a single one need not have a name."""
    profiles = given.profiles or (SchedulerProfile(),)
    if len(profiles) == 1 and profiles[0].scheduler_name is None:
        profiles = (msgspec.structs.replace(profiles[0], scheduler_name=DEFAULT_SCHEDULER),)
    return msgspec.structs.replace(given, profiles=profiles)


def _arguments(number: int, profile: SchedulerProfile, types: ArgumentTypes) -> dict[str, Arguments]:
    found: dict[str, Arguments] = {}
    for index, one in enumerate(profile.plugin_config):
        expected = types.get(one.name)
        if expected is None or one.args is None:
            continue
        where = f"decoding .profiles[{number}].pluginConfig[{index}]"
        kind = one.args.get("kind", f"{one.name}Args")
        if kind != f"{one.name}Args":
            group = GROUP_VERSION.partition("/")[0]
            raise ConfigurationError(
                f"{where}: args for plugin {one.name} were not of type {one.name}Args.{group}, got {kind}.{group}"
            )
        try:
            found[one.name] = decoded(one.args, expected)
        except ConfigurationError as error:
            raise ConfigurationError(_decoding_failed(where, one.name, error)) from error
    return found


def _decoding_failed(where: str, plugin: str, error: ConfigurationError) -> str:
    """Each step of upstream's decoding says for itself that it is strict."""
    strictly = f"{_STRICT}: " if str(error).startswith(_STRICT) else ""
    return f"{strictly}{where}: {strictly}decoding args for plugin {plugin}: {error}"


def _with_defaults(given: KubeSchedulerConfiguration) -> KubeSchedulerConfiguration:
    """What is stated to be nothing is as if it were not stated."""
    election, usual = given.leader_election, LeaderElection()
    stated = {
        name: getattr(usual, name)
        for name in msgspec.structs.asdict(usual)
        if getattr(election, name) in ("", "0", "0s") and getattr(usual, name)
    }
    return msgspec.structs.replace(given, leader_election=msgspec.structs.replace(election, **stated))


def decoded(document: Mapping[str, Any], model: type[T]) -> T:
    """Strictly: a field that is not known is an error. Raises ConfigurationError."""
    unknown = [f'unknown field "{path}"' for path in unknown_fields(document, model)]
    if unknown:
        raise ConfigurationError(f"{_STRICT}: {', '.join(unknown)}")
    try:
        return msgspec.convert(document, model)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_as_go_says(str(error), model.__name__)) from error


def _as_go_says(error: str, model: str) -> str:
    """A field of another type than JSON has there, where it is one of the document itself."""
    found = _OTHER_TYPE.fullmatch(error)
    if found is None:
        return error
    expected, got, name = found.groups()
    wanted = _SIZES.get(name, _GO_TYPES.get(expected, expected))
    return f"json: cannot unmarshal {_JSON_TYPES.get(got, got)} into Go struct field {model}.{name} of type {wanted}"


def unknown_fields(document: Any, model: Any, path: str = "") -> Iterator[str]:
    """Paths of fields that the model does not have."""
    if isinstance(document, list):
        for index, one in enumerate(document):
            yield from unknown_fields(one, _element(model), f"{path}[{index}]")
        return
    struct = _struct(model)
    if struct is None or not isinstance(document, dict):
        return
    hints = get_type_hints(struct)
    known = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
    for name, value in document.items():
        here = f"{path}.{name}" if path else str(name)
        if name not in known:
            yield here
        else:
            yield from unknown_fields(value, known[name], here)


def _struct(model: Any) -> type[msgspec.Struct] | None:
    """The Struct among a type's alternatives."""
    alternatives = (model, *get_args(model)) if get_origin(model) is not dict else ()
    return next((one for one in alternatives if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _element(model: Any) -> Any:
    """What a list of such a type holds."""
    alternatives = (model, *get_args(model))
    return next((get_args(one)[0] for one in alternatives if get_origin(one) in (list, tuple)), None)
