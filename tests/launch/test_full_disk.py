"""A disk that fills up in the middle of a run."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import time

import pytest


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64m", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


def fill(file):
    with file.open("wb", buffering=0) as sink:
        for size in (1_000_000, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    sink.write(b"\0" * size)


def test_a_disk_that_fills_up_stops_the_run_and_loses_nothing(bench_in, small_disk):
    bench = bench_in("full", pause=0.03)
    runs = small_disk / "runs"
    campaign = str(bench.campaign())
    process = bench.start("run", campaign, "--runs", str(runs))
    deadline = time.monotonic() + 60
    while sum(bench.calls().values()) < 30:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    fill(small_disk / "filler")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "no space left on device" in last
    assert "Traceback" not in errors

    (small_disk / "filler").unlink()
    before = bench.calls()
    assert bench.table(campaign, "--runs", str(runs))
    repeated = sum(bench.calls().values()) - len(bench.calls())
    assert repeated <= 4, f"{repeated} of {sum(before.values())} force calls were lost"


def test_a_run_does_not_start_on_a_full_disk(bench, small_disk):
    fill(small_disk / "filler")
    done = bench.run("run", str(bench.campaign()), "--runs", str(small_disk / "runs"))
    assert done.returncode == 2
    assert "no space left on device" in done.stderr
    assert os.strerror(errno.ENOSPC).lower() in done.stderr.lower()
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler"]
    assert not bench.calls()
