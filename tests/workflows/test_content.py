"""Every campaign that is shipped can be started."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualion.launch.run import prepare

CONTENT = Path(__file__).parents[2] / "workflows"
CAMPAIGNS = sorted(CONTENT.glob("*.yaml"))


@pytest.mark.mlip
@pytest.mark.parametrize("file", CAMPAIGNS, ids=lambda file: file.stem)
def test_a_shipped_campaign_compiles(file):
    # As for a cluster: the engine need not be installed here.
    ready = prepare(file, here=False)
    assert ready.campaign.name == file.stem
    assert ready.plan.questions > 0
    assert ready.plan.atoms <= ready.campaign.cell.max_atoms
    # Between the layers of V2O5 ions move along one axis alone.
    assert ready.plan.network.dimensionality == (1 if file.stem == "li_k_v2o5" else 3)


def test_there_are_campaigns():
    assert len(CAMPAIGNS) >= 4
