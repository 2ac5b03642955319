"""Compose a flow by hand: one hop, five cations, from the public builders.

    python workflows/five_ions.py [FRAMEWORK]

Each cation hops alone into the same vacancy of the same relaxed host, at one level of theory.
Runs with the local runner, so it can be killed and started again like a campaign.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobflow.core.flow import Flow

from dualion.engines.registry import get_engine
from dualion.launch.local import LocalRunner
from dualion.records import Framework, Outcome
from dualion.store.ledger import Ledger
from dualion.structures.cations import CATIONS, cation
from dualion.structures.library import find_library
from dualion.workflows.campaign import Campaign
from dualion.workflows.pair import pair_flow

RUNS = Path("runs")


def one_flow(framework: Framework, other: str) -> Flow:
    """Build the flow of one cation in the host: its shortest hop, dilute."""
    campaign = Campaign.model_validate(
        {
            "name": f"five_ions_{other}",
            "framework": framework.name,
            "pair": [framework.working_ion, other],
            "doping": ["pure", "dilute"],
            "cell": {"min_image_distance": 8.0},
            "hops": {"classes": ["h1"]},
            "path": {"images": 3},
        }
    )
    return pair_flow(campaign, framework, get_engine(campaign.engine))


def main() -> None:
    """Run all of them at once: what they share is computed once."""
    framework = find_library().load(sys.argv[1] if len(sys.argv) > 1 else "licl")
    RUNS.mkdir(exist_ok=True)
    others = [ion for ion in CATIONS if ion != framework.working_ion]
    flow = Flow([one_flow(framework, ion) for ion in others], name="five ions")
    with Ledger(RUNS / "jobs.sqlite") as ledger:
        state = LocalRunner(
            ledger=ledger,
            checkpoints=(RUNS / "checkpoints").resolve(),
            logfile=RUNS / "five_ions.log",
            workers=2,
            on_record=lambda record: print(record.moving_ion, record.outcome.value),
        ).run(flow)
    found = {record.moving_ion: record for record in state.records}
    for ion in sorted(found, key=lambda symbol: cation(symbol).radius):
        record = found[ion]
        number = f"{record.forward:.3f} eV" if record.forward is not None else "–"
        word = "" if record.outcome is Outcome.CONVERGED else record.outcome.value
        print(f"{ion:2}  {cation(ion).radius:.2f} Å  {number:9}  {word}")
    print(f"{state.force_calls} force calls")


if __name__ == "__main__":
    main()
