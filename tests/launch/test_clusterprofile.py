"""Profiles of clusters: what is written works, what is wrong is told."""

from __future__ import annotations

from importlib.metadata import distributions

import pytest

from dualion.errors import InputError
from dualion.launch.clusterprofile import find_profile, load_profile
from dualion.launch.newprofile import write_profile
from dualion.launch.queue import adapter, queue_keys

GOOD = """
scheduler: slurm
database: env:DUALION_DATABASE
work: /scratch/work
engines: {chgnet: {setup: ["source env/bin/activate"], command: /env/bin/dualion}}
resources:
  band:
    partition: long
    walltime: "1-02:03:04"
    cores: 4
    memory: 8G
    gpus: 1
    options: {account: abc}
"""


def profile_of(folder, text=GOOD):
    file = folder / "p.yaml"
    file.write_text(text)
    return load_profile(file), file


@pytest.mark.parametrize("scheduler", ["slurm", "pbs", "sge", "lsf", "none"])
def test_what_init_writes_is_a_profile(tmp_path, scheduler):
    file = write_profile(tmp_path / f"{scheduler}.yaml", scheduler=scheduler, work=tmp_path)
    assert load_profile(file).scheduler == scheduler
    with pytest.raises(InputError, match="exists already"):
        write_profile(file, scheduler=scheduler)


def test_init_lists_the_engines_that_are_installed_here(tmp_path):
    file = write_profile(tmp_path / "here.yaml", scheduler="none", work=tmp_path)
    packages = {"chgnet", "sevenn", "gpaw", "atomate2", "ase", "mace-torch", "matgl"}
    here = {each.name.lower().replace("_", "-") for each in distributions()}
    assert set(load_profile(file).engines) == packages & here
    assert "emt" in file.read_text()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("slurm", "slurmy", "scheduler"),
        ("env:DUALION_DATABASE", "mongodb://me:secret@host/db", "holds the address itself"),
        ("1-02:03:04", "2h", "HH:MM:SS"),
        ("partition: long", "partition: 'long; rm -rf /'", "partition"),
        ("cores: 4", "cores: 0", "cores"),
        ("cores: 4", "kores: 4", "did you mean 'cores'"),
        ("1-02:03:04", "00:01:00", "margin"),
        ("account: abc", 'account: "a\\nb"', "account"),
        ("scheduler: slurm", "x: 1", "no profile of a cluster"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(tmp_path, old, new, told):
    with pytest.raises(InputError, match=told) as caught:
        profile_of(tmp_path, GOOD.replace(old, new))
    assert "p.yaml" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_profile_is_found_by_name_and_a_near_one_offered(tmp_path):
    (tmp_path / "slurm.yaml").write_text(GOOD)
    assert find_profile("slurm", folder=tmp_path) == tmp_path / "slurm.yaml"
    with pytest.raises(InputError, match="did you mean 'slurm'"):
        find_profile("slrm", folder=tmp_path)


@pytest.mark.parametrize(
    ("scheduler", "lines"),
    [
        (
            "slurm",
            [
                "#SBATCH --partition=long",
                "#SBATCH --time=1-02:03:04",
                "#SBATCH --cpus-per-task=4",
                "#SBATCH --mem=8G",
                "#SBATCH --gres=gpu:1",
                "#SBATCH --account=abc",
            ],
        ),
        (
            "pbs",
            [
                "#PBS -q long",
                "#PBS -l walltime=26:03:04",
                "#PBS -l nodes=1:ppn=4:gpus=1",
                "#PBS -l pmem=8G",
                "#PBS -A abc",
            ],
        ),
        ("sge", ["#$ -q long", "#$ -A abc"]),
        ("lsf", ["#BSUB -q long", "#BSUB -W 26:04", "#BSUB -n 4"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Key account has been specified")
def test_a_queue_script_asks_for_what_the_profile_gives(tmp_path, scheduler, lines):
    profile, file = profile_of(tmp_path, GOOD.replace("slurm", scheduler))
    queue = adapter(profile, file, "chgnet")
    queue.update(queue_keys(profile, "band"))
    script = queue.get_script_str(str(tmp_path)).splitlines()
    for line in lines:
        assert line in script
    assert script.index("source env/bin/activate") < script.index(
        f"exec /env/bin/dualion rocket singleshot --profile {file}"
    )
