"""Where metrics come from: the resource, custom and external metrics APIs, each served by whoever registers it.

Follows pkg/controller/podautoscaler/metrics/client.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pybernetes.api import meta, quantity
from pybernetes.api.durations import parse_duration
from pybernetes.api.errors import ApiError
from pybernetes.api.models import autoscaling_v2
from pybernetes.client import Client, Unreachable
from pybernetes.controllers.autoscaling.proposals import NoProposal, Sample
from pybernetes.controllers.kind_lookup import find_kind

DEFAULT_WINDOW = timedelta(minutes=1)
CUSTOM_VERSIONS = ("v1beta2", "v1beta1")


class Metrics:
    """Every method raises NoProposal with upstream's text where there is nothing to be had."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of_resource(self, resource: str, namespace: str, selector: str, container: str = "") -> dict[str, Sample]:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        items = await self._items("resource", path, {"labelSelector": selector})
        found = {}
        for item in items:
            used = _used(item.get("containers") or (), resource, container)
            if used is not None:
                found[item["metadata"]["name"]] = Sample(
                    used, _time(item), timedelta(seconds=parse_duration(item.get("window") or "0s"))
                )
        return found

    async def of_pods(self, metric: str, namespace: str, selector: str, metric_selector: str) -> dict[str, Sample]:
        query = {"labelSelector": selector, "metricLabelSelector": metric_selector}
        items = await self._custom(f"namespaces/{namespace}/pods/*/{metric}", query)
        return {item["describedObject"]["name"]: _sample(item) for item in items}

    async def of_object(
        self, metric: str, namespace: str, target: autoscaling_v2.CrossVersionObjectReference, metric_selector: str
    ) -> int:
        query = {"metricLabelSelector": metric_selector}
        if (target.api_version, target.kind) == ("v1", "Namespace"):
            items = await self._custom(f"namespaces/{namespace}/metrics/{metric}", query)
        else:
            info = await find_kind(self._client, target.api_version, target.kind)
            if info is None:
                raise NoProposal(
                    "unable to fetch metrics from custom metrics API: "
                    f'no matches for kind "{target.kind}" in version "{target.api_version}"'
                )
            items = await self._custom(f"namespaces/{namespace}/{info.group_resource}/{target.name}/{metric}", query)
        return quantity.milli(items[0]["value"])

    async def external(self, metric: str, namespace: str, metric_selector: str) -> list[int]:
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}"
        items = await self._items("external", path, {"labelSelector": metric_selector})
        return [quantity.milli(item["value"]) for item in items]

    async def _custom(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        for version in CUSTOM_VERSIONS:
            try:
                return await self._items("custom", f"/apis/custom.metrics.k8s.io/{version}/{path}", query)
            except NoProposal as error:
                cause = error.__cause__
                unknown = isinstance(cause, ApiError) and cause.code == 404
                if not unknown or version == CUSTOM_VERSIONS[-1]:
                    raise
        raise AssertionError("there is no version to ask for")

    async def _items(self, api: str, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            document = await self._client.document(path, {name: value for name, value in query.items() if value})
        except (ApiError, Unreachable) as error:
            raise NoProposal(f"unable to fetch metrics from {api} metrics API: {error}") from error
        items: list[dict[str, Any]] = document.get("items") or []
        if not items:
            raise NoProposal(f"no metrics returned from {api} metrics API")
        return items


def _used(containers: Any, resource: str, container: str) -> int | None:
    """None where a container says nothing of it."""
    if container:
        amounts = [one["usage"].get(resource) for one in containers if one["name"] == container]
    else:
        amounts = [one["usage"].get(resource) for one in containers]
    if not amounts or any(amount is None for amount in amounts):
        return None
    return sum(quantity.milli(amount) for amount in amounts)


def _sample(item: Mapping[str, Any]) -> Sample:
    seconds = item.get("windowSeconds")
    window = DEFAULT_WINDOW if seconds is None else timedelta(seconds=seconds)
    return Sample(quantity.milli(item["value"]), _time(item), window)


def _time(item: Mapping[str, Any]) -> datetime | None:
    stated = item.get("timestamp")
    return meta.parse_time(stated) if stated else None
