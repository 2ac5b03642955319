"""Drivers of the local runner that wait for their points."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dualion.engines.point import Configuration, PointResult, point_jobs
from dualion.engines.registry import EngineChoice
from dualion.launch.node import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualion.engines.point import PointLookup


def lookup_in(known: dict[str, dict[str, Any]]) -> PointLookup:
    """Return what looks points up among some that came with a task.

    Parameters
    ----------
    known
        Results as plain data, by the key of their configuration.
    """

    def lookup(
        choice: EngineChoice, charge: int, configurations: Sequence[Configuration]
    ) -> list[PointResult | None]:
        del choice, charge  # a task has one engine and one charge
        found = (known.get(each.key) for each in configurations)
        return [None if each is None else PointResult.model_validate(each) for each in found]

    return lookup


def needed_message(
    choice: EngineChoice, charge: int, configurations: Sequence[Configuration]
) -> dict[str, Any]:
    """Return what a worker says of the points its driver needs."""
    return {
        "event": "points",
        "choice": choice.model_dump(mode="json"),
        "charge": charge,
        "configurations": [each.model_dump(mode="json") for each in configurations],
    }


@dataclass
class Driver:
    """A task that is run again and again, between its points.

    Attributes
    ----------
    nodes
        The jobs that want its output.
    missing
        Keys of configurations that are not computed yet.
    known
        What points gave that its checkpoint may not hold yet, by key of the configuration.
    asked
        All keys it ever asked for.
    forgetful
        Whether its checkpoint does not keep what it is given (another process holds it).
    seconds
        That its points took.
    """

    nodes: list[Node] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    forgetful: bool = False
    seconds: float = 0.0


class ParkingLot:
    """Keeps drivers while their points are computed."""

    def __init__(self) -> None:
        self._drivers: dict[str, Driver] = {}
        self._points: dict[str, tuple[str, str]] = {}

    def known(self, task: str) -> dict[str, dict[str, Any]]:
        """Return what a driver is to be given when it is started."""
        return self._drivers.setdefault(task, Driver()).known

    def waits(self, task: str) -> bool:
        """Whether a driver waits for points."""
        driver = self._drivers.get(task)
        return driver is not None and bool(driver.missing)

    def join(self, task: str, node: Node) -> None:
        """Let one more job wait for the output of a driver that waits."""
        self._drivers[task].nodes.append(node)

    def park(self, task: str, nodes: list[Node], message: dict[str, Any]) -> list[Node]:
        """Keep a driver until its points are there.

        Parameters
        ----------
        task
            Its key.
        nodes
            The jobs that want its output.
        message
            What its worker said (:func:`needed_message`).

        Returns
        -------
        list of Node
            The points, one for each configuration.
        """
        driver = self._drivers[task]
        asked = [Configuration.model_validate(each) for each in message["configurations"]]
        keys = [each.key for each in asked]
        driver.forgetful = driver.forgetful or not driver.asked.isdisjoint(keys)
        if not driver.forgetful:
            driver.known = {}  # it asks for others: those are in its checkpoint
        driver.nodes = nodes
        driver.missing = set(keys)
        driver.asked |= driver.missing
        choice = EngineChoice.model_validate(message["choice"])
        for node in nodes:
            node.tries = 0  # it got on: a worker that is killed later is another matter
        jobs = point_jobs(choice, message["charge"], asked, name=nodes[0].job.name)
        for key, job in zip(keys, jobs, strict=True):
            self._points[job.uuid] = (task, key)
        return [Node(job, set()) for job in jobs]

    def arrived(self, point: Node, result: PointResult, seconds: float) -> list[Node]:
        """Take what a point gave; return the jobs that go on, if it was the last of a driver."""
        task, key = self._points.pop(point.job.uuid)
        driver = self._drivers.get(task)
        if driver is None:
            return []
        driver.missing.discard(key)
        driver.known[key] = json.loads(result.model_dump_json())
        driver.seconds += seconds
        if driver.missing:
            return []
        nodes, driver.nodes = driver.nodes, []
        return nodes

    def failed(self, point: Node) -> list[Node]:
        """Give up the driver of a point that gave no result; return the jobs that wanted it."""
        task, _ = self._points.pop(point.job.uuid)
        driver = self._drivers.pop(task, None)
        return [] if driver is None else driver.nodes

    def finish(self, task: str) -> float:
        """Forget a driver that has its output; return the seconds that its points took."""
        return self._drivers.pop(task, Driver()).seconds
