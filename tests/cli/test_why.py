"""`p8s why` against a scheduler's door."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.main import main
from pybernetes.cli.parts.doorstep import served_at
from pybernetes.scheduler.explaining.door import pages
from scheduler.explaining.test_explainer import Asked
from scheduler.objects import World, node


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "cluster")
    layout.write_settings(Settings())
    return layout


async def asked(layout: Layout, *words: str) -> click.testing.Result:
    world = Asked(World(node("node-1", cpu="1"), node("node-2", cpu="4")))
    world.known("web", cpu="5")
    async with served_at(layout.scheduler_socket, lambda: pages(world.explainer)):
        arguments = ["why", "pod", *words, "--data-dir", str(layout.root)]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def test_a_pending_pod_is_explained_without_colours_off_a_terminal(layout: Layout) -> None:
    result = await asked(layout, "web")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "pod default/web: pending; none of 2 nodes will do"
    assert lines[1].startswith("dry run of ")
    assert "\n".join(lines[2:]) == (
        "\n"
        "refused:\n"
        "  2 by NodeResourcesFit: Insufficient cpu: node-1, node-2\n"
        "\n"
        "what would have to change, the least first:\n"
        "  node-1 lacks 4 cpu (5 wanted, 1 of 1 free)\n"
        "  node-2 lacks 1 cpu (5 wanted, 4 of 4 free)\n"
        "\n"
        "preemption helps nowhere: 2 × Preemption is not helpful for scheduling"
    )


async def test_programs_get_everything(layout: Layout) -> None:
    document = json.loads((await asked(layout, "web", "-o", "json")).output)
    assert [one["name"] for one in document["nodes"]] == ["node-1", "node-2"]
    assert document["outcome"] == "pending"


async def test_an_unknown_pod_is_a_problem(layout: Layout) -> None:
    result = await asked(layout, "web", "-n", "shop")
    assert result.exit_code == 1
    assert result.output == (
        "Error: pod shop/web is not known: it does not exist or has ended, or another scheduler leads: "
        "see `p8s kubectl get pods -A` for the pods that there are.\n"
    )


def test_a_scheduler_that_does_not_answer_is_a_problem(layout: Layout) -> None:
    result = CliRunner().invoke(main, ["why", "pod", "web", "--data-dir", str(layout.root)])
    assert result.exit_code == 1
    assert result.output.startswith(
        f"Error: no scheduler answers at {layout.scheduler_socket}: start the cluster with `p8s up`"
    )


def test_without_a_cluster_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["why", "pod", "web", "--data-dir", str(tmp_path / "none")])
    assert "start one with `p8s up " in result.output
