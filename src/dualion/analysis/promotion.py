"""The account of what one tier of a campaign handed on to the next."""

from __future__ import annotations

from pydantic import Field

from dualion.records import Record


class Left(Record):
    """A hop that was not promoted, and why."""

    title: str
    reason: str
    barrier: bool = Field(
        default=False, description="Whether it has one: then the rule did not want it."
    )


class Promotion(Record):
    """What was promoted from one tier to the next."""

    source: str = Field(description="Engine of the tier before.")
    target: str = Field(description="Engine of the next tier.")
    rule: str
    promoted: tuple[str, ...] = Field((), description="Titles.")
    left: tuple[Left, ...] = ()
    missing: tuple[str, ...] = Field((), description="Hops whose job gave no record.")

    @property
    def text(self) -> str:
        """One line of what happened."""
        lost = sum(not each.barrier for each in self.left) + len(self.missing)
        ruled = len(self.left) - sum(not each.barrier for each in self.left)
        tail = f"; {ruled} not in the rule" if ruled else ""
        tail += f"; {lost} without a barrier" if lost else ""
        total = len(self.promoted) + len(self.left) + len(self.missing)
        return (
            f"{self.source} → {self.target}: {len(self.promoted)} of {total} promoted"
            f" ({self.rule}){tail}"
        )

    @property
    def told(self) -> tuple[str, ...]:
        """One line for each hop that was left behind because it has no barrier."""
        return (
            *(f"{each.title}: {each.reason}" for each in self.left if not each.barrier),
            *(f"{title}: its job failed, there is no record" for title in self.missing),
        )
