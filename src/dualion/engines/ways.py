"""Other ways for a hop: the same images, with the mover going round its straight line elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.records import Images

if TYPE_CHECKING:
    from dualion.records import Path


def turned_ways(path: Path) -> list[Path]:
    """Turn the bow of the mover by a half and by both quarter turns about its straight line.

    Parameters
    ----------
    path
        A guess whose mover goes round the line in some direction; it moves from end to end.

    Returns
    -------
    list of Path
        Three; the other atoms stay where they are.
    """
    images, mover = path.images, path.mover
    xyz = images.xyz
    line = np.linspace(xyz[0, mover], xyz[-1, mover], len(xyz))
    axis = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    bow = xyz[:, mover] - line
    bow -= (bow @ axis)[:, None] * axis
    ways = []
    for turned in (-bow, np.cross(axis, bow), -np.cross(axis, bow)):
        moved = xyz.copy()
        moved[:, mover] += turned - bow
        start = Images.from_array(images.lattice, images.species, moved)
        ways.append(path.model_copy(update={"images": start}))
    return ways
