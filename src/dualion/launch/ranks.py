"""Whether the queue jobs of a profile can run the bands of a campaign by VASP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.engines.registry import find_entry

if TYPE_CHECKING:
    from dualion.launch.clusterprofile import ClusterProfile
    from dualion.workflows.campaign import Campaign


def check_ranks(campaign: Campaign, profile: ClusterProfile) -> None:
    """Refuse a campaign whose bands VASP would refuse, before anything waits in a queue.

    VASP gives every image the same number of MPI ranks. Their number is ``ntasks`` in the options
    of ``resources.band``, else its ``cores``.

    Raises
    ------
    InputError
        The ranks cannot be shared by the images.
    """
    if find_entry(campaign.engine).kind != "vasp" or campaign.band.method != "full":
        return
    from dualion.engines.vasp.cores import check_images

    given = profile.given("band")
    ranks = int(given.options.get("ntasks", given.cores))
    check_images(campaign.path.images, ranks, where="resources.band of the profile")
