"""Images and cores."""

from __future__ import annotations

import pytest

from dualion.engines.vasp.cores import check_images, cores_of
from dualion.errors import InputError


@pytest.mark.parametrize(
    ("command", "environment", "cores"),
    [
        ("srun -n 48 vasp_std", {}, 48),
        ("srun --ntasks=60 vasp_std", {"SLURM_NTASKS": "4"}, 60),
        ("mpirun -np 12 /opt/vasp/bin/vasp_std", {}, 12),
        ("srun -c 4 vasp_std", {"SLURM_NTASKS": "8"}, 8),
        ("mpiexec vasp_std", {"PBS_NP": "20"}, 20),
        ("srun vasp_std", {}, None),
        ("vasp_std", {"SLURM_NTASKS": "8"}, 1),
        ("/home/me/run_vasp.sh", {"SLURM_NTASKS": "8"}, None),
    ],
)
def test_ranks_are_what_the_command_or_the_scheduler_says(command, environment, cores):
    assert cores_of(command.split(), environment) == cores
    assert cores_of(command.split(), environment, told=5) == 5


def test_ranks_that_images_can_share_are_let_through_and_others_are_not():
    for cores in (5, 20, None):
        check_images(5, cores)
    with pytest.raises(InputError, match=r"48 MPI ranks cannot be shared by 5 images") as caught:
        check_images(5, 48)
    assert "use 50 ranks, or path: {images: 6}" in str(caught.value)
    with pytest.raises(InputError, match=r"images: 1"):
        check_images(5, 1)
