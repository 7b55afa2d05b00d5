"""Names of definitions: `core_v1.Pod` in the facts is `io.k8s.api.core.v1.Pod` in OpenAPI."""

from __future__ import annotations

_PACKAGES = {
    "meta_v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "version": "io.k8s.apimachinery.pkg.version",
    "apiextensions_v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    "apiregistration_v1": "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
}

# Types of the facts that are a definition of their own in OpenAPI.
SCALARS = {
    "time": "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
    "microtime": "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "intstr": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
}

FREE_FORM = {
    "fields": "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "patch": "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "raw": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "json": f"{_PACKAGES['apiextensions_v1']}.JSON",
    "schema|[]schema": f"{_PACKAGES['apiextensions_v1']}.JSONSchemaPropsOrArray",
    "schema|bool": f"{_PACKAGES['apiextensions_v1']}.JSONSchemaPropsOrBool",
    "schema|[]string": f"{_PACKAGES['apiextensions_v1']}.JSONSchemaPropsOrStringArray",
}
"""What the facts only know as "any"."""
SCALARS |= FREE_FORM


def definition_name(type_name: str) -> str:
    module, _, name = type_name.partition(".")
    package = _PACKAGES.get(module)
    if package is None:
        group, _, version = module.rpartition("_")
        package = f"io.k8s.api.{group}.{version}"
    return f"{package}.{name}"
