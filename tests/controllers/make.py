"""Objects for tests of controllers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from pybernetes.api.models import apps_v1, core_v1, meta_v1

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def template(image: str = "nginx", **labels: str) -> core_v1.PodTemplateSpec:
    return core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels=labels or {"app": "web"}),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="main", image=image)]),
    )


def pod(
    name: str,
    *,
    node: str = "node-0",
    phase: str = "Running",
    ready: bool = True,
    age: float = 3600,
    ready_for: float | None = None,
    restarts: int = 0,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    deleting: bool = False,
) -> core_v1.Pod:
    since = NOW - timedelta(seconds=age if ready_for is None else ready_for)
    condition = core_v1.PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since)
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            labels={"app": "web"} if labels is None else labels,
            annotations=annotations or {},
            creation_timestamp=NOW - timedelta(seconds=age),
            deletion_timestamp=NOW if deleting else None,
        ),
        spec=core_v1.PodSpec(node_name=node),
        status=core_v1.PodStatus(
            phase=phase,
            conditions=[condition],
            container_statuses=[core_v1.ContainerStatus(name="main", restart_count=restarts)],
        ),
    )


def deployment(
    name: str = "web",
    *,
    replicas: int = 3,
    image: str = "nginx",
    max_surge: int | str = "25%",
    max_unavailable: int | str = "25%",
    strategy: str = "RollingUpdate",
    history: int = 10,
    deadline: int | None = 600,
    min_ready_seconds: int = 0,
) -> apps_v1.Deployment:
    rolling = apps_v1.RollingUpdateDeployment(max_surge=max_surge, max_unavailable=max_unavailable)
    return apps_v1.Deployment(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default", labels={"app": name}),
        spec=apps_v1.DeploymentSpec(
            replicas=replicas,
            selector=meta_v1.LabelSelector(match_labels={"app": name}),
            template=template(image, app=name),
            strategy=apps_v1.DeploymentStrategy(
                type=strategy, rolling_update=rolling if strategy == "RollingUpdate" else None
            ),
            revision_history_limit=history,
            progress_deadline_seconds=deadline,
            min_ready_seconds=min_ready_seconds,
        ),
    )


def replica_set(name: str = "web", *, replicas: int = 3, image: str = "nginx") -> apps_v1.ReplicaSet:
    return apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=apps_v1.ReplicaSetSpec(
            replicas=replicas,
            selector=meta_v1.LabelSelector(match_labels={"app": name}),
            template=template(image, app=name),
        ),
    )


def sized(
    name: str,
    replicas: int,
    available: int | None = None,
    *,
    image: str = "nginx",
    age: float = 0,
    max_replicas: int = 0,
) -> apps_v1.ReplicaSet:
    """A ReplicaSet as the Deployment controller sees it."""
    made = replica_set(name, replicas=replicas, image=image)
    present = replicas if available is None else available
    annotations = {"deployment.kubernetes.io/max-replicas": str(max_replicas)} if max_replicas else {}
    metadata = msgspec.structs.replace(
        made.metadata,
        uid=f"uid-{name}",
        creation_timestamp=NOW - timedelta(seconds=age),
        annotations=annotations,
    )
    status = apps_v1.ReplicaSetStatus(replicas=replicas, ready_replicas=present, available_replicas=present)
    return msgspec.structs.replace(made, metadata=metadata, status=status)
