"""Whether the queue jobs of a profile can run the bands of a campaign by VASP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.engines.registry import find_entry
from dualion.workflows.ladder import ladder_of

if TYPE_CHECKING:
    from dualion.launch.clusterprofile import ClusterProfile
    from dualion.workflows.campaign import Campaign


def check_ranks(campaign: Campaign, profile: ClusterProfile) -> None:
    """Refuse a campaign whose bands VASP would refuse, before anything waits in a queue.

    VASP gives every image the same number of MPI ranks. Their number is ``ntasks`` in the options
    of ``resources.band``, else its ``cores``. All tiers are looked at. Bands that are not VASP's
    own, since their force calls are jobs or their method is another, compute one image at a time.

    Raises
    ------
    InputError
        The ranks cannot be shared by the images.
    """
    for rung in ladder_of(campaign).rungs:
        _check(rung.campaign, profile)


def _check(campaign: Campaign, profile: ClusterProfile) -> None:
    own = campaign.band.method == "full" and campaign.evaluations == "inside"
    if not own or find_entry(campaign.engine).kind != "vasp":
        return
    from dualion.engines.vasp.cores import check_images

    given = profile.given("band")
    ranks = int(given.options.get("ntasks", given.cores))
    check_images(campaign.path.images, ranks, where="resources.band of the profile")
