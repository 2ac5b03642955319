"""Which file system a path lies on, and whether several machines may see it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

# fmt: off
NETWORK_FILE_SYSTEMS = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "gfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs",
    "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "vmhgfs", "wekafs",
})
# fmt: on
LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuseblk"})
"""FUSE types that lie on a local disk: rootless containers, NTFS disks."""


class FileSystem(NamedTuple):
    """The mount that a path lies on."""

    kind: str
    mount: str

    @property
    def is_network(self) -> bool:
        """Whether several machines may see it, so that the write-ahead log is unsafe."""
        if self.kind == "fuse" or self.kind.startswith("fuse."):
            return self.kind not in LOCAL_FUSE
        return self.kind in NETWORK_FILE_SYSTEMS


def file_system(path: Path, mounts: str | None = None) -> FileSystem:
    """Return the file system a path lies on, or would lie on.

    Parameters
    ----------
    path
        Need not exist.
    mounts
        Text of ``/proc/mounts``; read from there by default.

    Returns
    -------
    FileSystem
        Of kind ``""`` where the system does not tell.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return FileSystem("", "")
    place = path.resolve()
    best = FileSystem("", "")
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        # The kernel writes blanks in mount points as octal escapes.
        mount = fields[1]
        for escape, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            mount = mount.replace(escape, char)
        # Of two mounts on one point the later hides the earlier, hence >=.
        if place.is_relative_to(mount) and len(mount) >= len(best.mount):
            best = FileSystem(fields[2], mount)
    return best
