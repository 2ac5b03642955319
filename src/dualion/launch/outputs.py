"""The outputs of a run's finished jobs, as jobflow's references look them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Outputs:
    """Outputs of finished jobs, by uuid; all that jobflow's references need of a store."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Callable[[], Any]]] = {}

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._known

    def put(self, uuid: str, index: int, load: Callable[[], Any]) -> None:
        """Note how to get the output of a job; a higher index replaces a lower one."""
        if uuid not in self._known or self._known[uuid][0] <= index:
            self._known[uuid] = (index, load)

    def query_one(
        self, criteria: dict[str, Any], *_: object, **__: object
    ) -> dict[str, int] | None:
        """Answer jobflow's question for the last index of a uuid."""
        known = self._known.get(criteria["uuid"])
        return None if known is None else {"index": known[0]}

    def get_output(self, uuid: str, *_: object, **__: object) -> Any:  # noqa: ANN401 - any record
        """Return the output of a job."""
        return self._known[uuid][1]()
