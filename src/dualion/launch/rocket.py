"""A rocket: one worker process that computes one job, or one after the other.

It ends before the queue ends it. At the wall time less a margin, and on a signal of the queue, an
exception is raised in the middle of whatever runs. That is safe: every force call is in the
checkpoint when the next one starts, and a finished output is on disk before it is sent.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TextIO

from dualion.launch.claims import me, started
from dualion.launch.compute import Computer
from dualion.launch.curation import Curator
from dualion.launch.delivery import ON_ITS_WAY, OutputStore
from dualion.launch.firetask import running
from dualion.launch.points import WAITS, Parked, add_points, points_coming, ready_of, wake
from dualion.launch.queue import LAUNCHES, worker_of
from dualion.launch.submission import expander

if TYPE_CHECKING:
    from types import FrameType

    from dualion.launch.cluster import Cluster

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

DRIVER_SECONDS = 30.0
"""A driver is run in the queue job of its last point if there is more time left than this."""

log = logging.getLogger("dualion")


class StoppedError(BaseException):
    """The queue wants its node back.

    Not an ``Exception``: code that handles failures of an engine must not take it for one.
    """

    def __init__(self, why: str, *, again: bool) -> None:
        self.why = why
        self.again = again
        super().__init__(why)

    def to_dict(self) -> dict[str, Any]:
        """Return what FireWorks keeps of it."""
        return {"stopped": self.why, "again": self.again}


class Unbreakable(io.TextIOBase):
    """A stream whose full disk is nobody's problem: what cannot be written is dropped.

    A queue job's output lies where its launch folder is. If that disk fills up, the words that say
    so must not keep the worker from telling the launch pad.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do not."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        """File descriptor of the stream."""
        return self._stream.fileno()


@dataclass
class Rocket:
    """A worker of one profile.

    Parameters
    ----------
    cluster
        The database and the profile.

    Attributes
    ----------
    woken
        Ids of Fireworks that are ready because of what was computed here.
    asked
        Points that drivers have asked for that were run here.
    """

    cluster: Cluster
    woken: list[int] = field(default_factory=list, init=False)
    asked: list[str] = field(default_factory=list, init=False)
    _kind: str = field(default="", init=False)
    _longest: float = field(default=0.0, init=False)

    @cached_property
    def outputs(self) -> OutputStore:
        """Where outputs are kept; open for as long as this process."""
        return OutputStore(self.cluster)

    @cached_property
    def curator(self) -> Curator:
        """Puts records into the barrier store."""
        return Curator(self.cluster, self.outputs)

    def single(self, fw_id: int | None, *, engine: str | None = None) -> bool:
        """Compute one Firework.

        Parameters
        ----------
        fw_id
            Which; None: any that is ready for this worker.
        engine
            Package of the engine that is here; None: all of the profile's.

        Returns
        -------
        bool
            Whether there was one.
        """
        from fireworks.core import rocket as fireworks_rocket

        profile = self.cluster.profile
        pad = self.cluster.launchpad
        fireworks_rocket.PRINT_FW_JSON = False
        # Its heartbeat sleeps for an hour: it must not keep a process that has failed alive.
        fireworks_rocket.Thread = partial(Thread, daemon=True)
        worker = worker_of(profile, profile.packages(engine))
        self._flush()
        unfinished = ""
        points: list[str] = []  # that somebody may wait for, and that now are there

        def run(what: dict[str, Any]) -> dict[str, Any]:
            nonlocal unfinished
            self._note_worker(what)
            first = not self._kind
            self._kind = self._kind or str(what["kind"])  # the first has the queue's limits
            began = time.monotonic()
            campaign = str(what["campaign"])
            computer = Computer(
                self.outputs,
                expand=expander(self.cluster),
                campaign=campaign,
                on_record=self._curate,
                outer=bool(what.get("outer")),
            )
            try:
                with self._until_stopped():
                    try:
                        computer.ensure(str(what["job"]))
                    except Parked as parked:
                        add_points(parked.documents, campaign, self.cluster)
                        points.extend(parked.waits["jobs"])
                        self.asked += parked.waits["jobs"]
                        return {WAITS: parked.waits}
            except StoppedError as stop:
                if stop.again and (computer.calls or not first):
                    unfinished = str(what["job"])
                elif stop.again:  # another queue job would end in the same way
                    stop.why += (
                        ", without one new force call: give resources."
                        f"{what['kind']} a longer walltime, then: dualion recover"
                    )
                log.warning("%s", stop.why)
                raise
            if what["kind"] == "point":
                points.append(str(what["job"]))
                self._longest = max(self._longest, time.monotonic() - began)
            return {}

        with running(run):
            ran = bool(fireworks_rocket.Rocket(pad, worker, fw_id).run())
        if points:
            self.woken += wake(self.cluster, points)
        if unfinished:
            self._go_on(unfinished)
        return ran

    def shot(self, fw_id: int | None, *, engine: str | None = None) -> bool:
        """Compute one Firework as a queue job; after a point go on with what waited for it.

        A driver takes seconds, so the worker that computed its last point runs it at once, and then
        computes one of the points that it asks for next, as long as the wall time surely lets it.
        So a relaxation does not wait in the queue at each of its steps, and of a band's images one
        stays here.

        Parameters
        ----------
        fw_id, engine
            As for :meth:`single`.

        Returns
        -------
        bool
            Whether there was such a Firework.
        """
        ran = self.single(fw_id, engine=engine)
        queued = self.cluster.profile.scheduler != "none"
        while queued and self._left() > DRIVER_SECONDS:
            if self.woken:
                self.single(self.woken.pop(0), engine=engine)
                continue
            enough = self._kind == "point" and self._left() > 2.0 * self._longest
            following = ready_of(self.asked, self.cluster) if enough else None
            self.asked.clear()
            if following is None:
                break
            self.single(following, engine=engine)
        return ran

    def loop(self, *, engine: str | None = None, wait: float = 0.0) -> int:
        """Compute one Firework after the other until none is ready.

        Parameters
        ----------
        engine
            Package of the engine that is here; None: all of the profile's.
        wait
            Seconds to wait for further ones before giving up; longer while drivers wait for points
            that other workers on this machine compute. 0: no waiting at all.

        Returns
        -------
        int
            How many were run.
        """
        folder = self.cluster.profile.work / LAUNCHES / f"worker-{os.getpid()}"
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        count = 0
        idle_since = time.monotonic()
        while True:
            if self.single(None, engine=engine):
                count += 1
                self.woken.clear()  # ready like all others
                self.asked.clear()
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > wait:
                if not wait or not points_coming(self.cluster):
                    return count
                idle_since = time.monotonic()
            else:
                time.sleep(1.0)

    def _flush(self) -> None:
        for name in self.outputs.flush(older=ON_ITS_WAY):
            log.info("delivered from the spool: %s", name)

    def _curate(self, key: str) -> None:
        self.curator.curate([key])

    def _note_worker(self, what: dict[str, Any]) -> None:
        """Write who runs a job, and the queue's id of it, where ``recover`` looks for it."""
        worker = me()
        pad = self.cluster.launchpad
        running_now = pad.fireworks.find_one(
            {"spec.dualion.job": what["job"], "state": "RUNNING"}, {"launches": 1}
        )
        if running_now and running_now["launches"]:
            pad.launches.update_one(
                {"launch_id": running_now["launches"][-1]}, {"$set": {"dualion_worker": worker}}
            )

    @contextmanager
    def _until_stopped(self) -> Iterator[None]:
        """Raise :class:`StoppedError` in the block before the wall time, and on a signal."""
        profile = self.cluster.profile
        left = self._left()

        def on_signal(number: int, frame: FrameType | None) -> None:
            del frame
            _ignore_signals()  # once: what follows must not be interrupted
            if number == signal.SIGALRM:
                why = f"stopped {profile.margin:.0f} s before the wall time"
                raise StoppedError(why, again=True)
            raise StoppedError(f"the queue sent {signal.Signals(number).name}", again=False)

        before = {number: signal.signal(number, on_signal) for number in (*SIGNALS, signal.SIGALRM)}
        try:
            if profile.scheduler != "none":
                signal.setitimer(signal.ITIMER_REAL, max(left, 1.0))
            yield
        except StoppedError:
            raise  # signals stay ignored until this process has said how it ended
        except BaseException:
            _restore(before)
            raise
        else:
            _restore(before)

    def _left(self) -> float:
        """Seconds until this process should stop; endless without a scheduler."""
        profile = self.cluster.profile
        if profile.scheduler == "none":
            return float("inf")
        # The wall time runs from before pymatgen was imported.
        given = profile.given(self._kind or "analysis")  # type: ignore[arg-type]
        return given.seconds - profile.margin - _age()

    def _go_on(self, job_id: str) -> None:
        """Make a job that stopped before its wall time ready again."""
        pad = self.cluster.launchpad
        for firework in pad.fireworks.find(
            {"spec.dualion.job": job_id, "state": "FIZZLED"}, {"fw_id": 1}
        ):
            pad.rerun_fw(firework["fw_id"])
            log.info("firework %d goes on in another queue job", firework["fw_id"])


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _age() -> float:
    """Seconds since this process was started; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return up - int(started(os.getpid())) / os.sysconf("SC_CLK_TCK")
    return 0.0
