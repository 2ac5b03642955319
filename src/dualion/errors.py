"""The errors dualion raises on purpose.

::

    DualionError
     ├── InputError              what the user gave is wrong            exit 2
     │    ├── StructureError     a structure file or framework
     │    ├── CampaignError      a campaign, profile or settings file
     │    └── CationError        an ion that dualion does not know
     ├── EngineError             a calculator failed                    exit 3
     │    ├── EngineNotInstalledError                                   exit 2
     │    └── ModelFileError     weights missing or not the known ones  exit 2
     ├── StoreError              a results store cannot be used         exit 2
     │    ├── StoreVersionError  made by another version of dualion
     │    └── RecordError        one record cannot be kept or read, the store can
     └── RunError                a run cannot start or go on            exit 4
          └── CheckpointBusyError  another process writes a checkpoint

Every message says what is wrong, where, the value seen, and what to do.
"""

from __future__ import annotations

from typing import ClassVar


class DualionError(Exception):
    """Base of all errors that dualion raises on purpose.

    Parameters
    ----------
    what
        What is wrong, in one clause, with the value seen.
    where
        The file, field or site it was found in.
    remedy
        What the user can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        """One line: ``where: what: remedy``."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        text = f"{text}: {self.remedy}" if self.remedy else text
        return " ".join(text.split())


class InputError(DualionError):
    """What the user gave is wrong; nothing was written."""

    exit_code = 2


class StructureError(InputError):
    """A structure file or a framework cannot be used."""


class CampaignError(InputError):
    """A campaign, profile or settings file cannot be used."""


class CationError(InputError):
    """A cation that dualion has no charge, radius or electronegativity for."""


class EngineError(DualionError):
    """A calculator failed or gave no usable number."""

    exit_code = 3


class EngineNotInstalledError(EngineError):
    """The package behind an engine is not installed in this environment."""

    exit_code = 2


class ModelFileError(EngineError):
    """Model weights are missing, or are not the ones known by their sha256."""

    exit_code = 2


class StoreError(DualionError):
    """A results store cannot be opened, read or written."""

    exit_code = 2


class StoreVersionError(StoreError):
    """A results store was made by a newer dualion, or has to be brought up to date first."""


class RecordError(StoreError):
    """One record cannot be kept, or what was kept cannot be read; the others can."""


class PrecisionError(DualionError):
    """A number is lost in rounding: what it is made of differs by too many powers of ten."""


class RunError(DualionError):
    """A run cannot start or cannot go on."""

    exit_code = 4


class CheckpointBusyError(RunError):
    """Another process is writing the checkpoint of a job."""
