"""The generated models and facts."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

import pybernetes.api.models
from pybernetes.api import codec, kinds
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.api.schema.facts import module_facts

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.stem
    for path in Path(pybernetes.api.models.__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "base")
)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_api", ROOT / "tools" / "generate_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_generating_again_writes_the_same_files() -> None:
    generated = generator().generate()
    assert len(generated) > 60
    assert [str(path) for path, text in generated.items() if path.read_text() != text] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_model_decodes_an_empty_document_and_has_the_fields_of_its_facts(module: str) -> None:
    models = importlib.import_module(f"pybernetes.api.models.{module}")
    for name, facts in module_facts(module).items():
        model = getattr(models, name)
        assert msgspec.json.decode(b"{}", type=model) == model()
        assert {field.encode_name for field in msgspec.structs.fields(model)} == set(facts.fields)


def test_every_kind_has_its_model_and_its_list() -> None:
    for info in kinds.ALL:
        assert kinds.info_of(info.model) == info
        if not info.kind.endswith("Review") and info.kind != "Binding":
            assert info.list_model().kind == info.list_kind


def test_the_type_of_an_object_is_always_encoded_and_may_be_absent_when_decoded() -> None:
    pod = codec.decode(core_v1.Pod, b'{"metadata":{"name":"a"}}')
    assert codec.to_document(pod) == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "a"},
        "spec": {},
        "status": {},
    }


def test_pointers_keep_their_zero_and_values_leave_it_out() -> None:
    deployment = apps_v1.Deployment(spec=apps_v1.DeploymentSpec(replicas=0, min_ready_seconds=0))
    spec = codec.to_document(deployment)["spec"]
    assert spec["replicas"] == 0
    assert "minReadySeconds" not in spec


def test_times_are_written_in_whole_seconds_with_z() -> None:
    metadata = meta_v1.ObjectMeta(creation_timestamp=datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC))
    assert codec.encode(metadata) == b'{"creationTimestamp":"2026-01-02T15:04:05Z"}'
    assert codec.decode(meta_v1.ObjectMeta, codec.encode(metadata)) == metadata


def test_names_with_initialisms_keep_their_spelling_on_the_wire() -> None:
    status = core_v1.PodStatus(pod_ip="10.0.0.1", pod_ips=[core_v1.PodIP(ip="10.0.0.1")], host_ip="10.0.0.9")
    assert set(codec.to_document(status)) == {"podIP", "podIPs", "hostIP"}


def test_nulls_where_lists_and_structs_are_expected_read_as_absence() -> None:
    pod = codec.decode(core_v1.Pod, b'{"metadata":{"labels":null},"spec":{"containers":null},"status":null}')
    assert pod == core_v1.Pod()
    assert codec.from_document(core_v1.Pod, {"spec": None}) == core_v1.Pod()


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected"):
        codec.decode(core_v1.Pod, b'{"spec":{"containers":{}}}')


def test_secret_data_is_bytes_and_travels_as_base64() -> None:
    secret = core_v1.Secret(data={"password": b"s3cret"})
    assert codec.to_document(secret)["data"] == {"password": "czNjcmV0"}
    assert codec.decode(core_v1.Secret, codec.encode(secret)) == secret


def test_importing_the_core_group_imports_no_other_but_meta() -> None:
    code = "import sys; import pybernetes.api.models.core_v1; print([m for m in sys.modules if 'api.models.' in m])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "core_v1" in loaded
    assert "apps_v1" not in loaded
    assert "batch_v1" not in loaded
