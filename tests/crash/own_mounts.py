"""File systems of a test's own: a disk whose power can be cut, a disk that can be filled. Needs root."""
import contextlib
import ctypes
import fcntl
import os
import struct
import subprocess
import time

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x4000, 1 << 18, 2, 4
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def supported():
    return os.geteuid() == 0 and os.path.exists("/dev/loop-control")


@contextlib.contextmanager
def own_namespace():
    """Mounts made inside are seen by our children alone: other runners' mount namespaces would keep them alive."""
    here, root, before = os.getcwd(), os.open("/", os.O_RDONLY), os.open("/proc/self/ns/mnt", os.O_RDONLY)
    call("unshare", CLONE_NEWNS)
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    try:
        yield
    finally:
        os.chdir("/")
        call("setns", before, CLONE_NEWNS)
        os.close(before)
        os.fchdir(root)
        os.chroot(".")  # setns leads to the namespace's own root, which is not ours inside of a chroot
        os.close(root)
        os.chdir(here)


class Disk:
    """ext4 on a loop device. cut() is what a power cut is to a disk: what wasn't synced, and the journal's open transaction, are lost."""

    def __init__(self, folder, size=1536 << 20):
        self.image, self.where, self.device = f"{folder}/image", f"{folder}/disk", None
        with open(self.image, "wb") as f:
            f.truncate(size)
        os.makedirs(self.where)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image], check=True, timeout=60)
        self.attach()
        os.chmod(self.where, 0o711)

    def attach(self):
        self.device = subprocess.run(["losetup", "--find", "--show", self.image], check=True, timeout=30, capture_output=True, text=True).stdout.strip()
        call("mount", self.device.encode(), self.where.encode(), b"ext4", MS_NOSUID | MS_NODEV, None)

    def cut(self):
        fd = os.open(self.where, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def detach(self):
        """What was killed a moment ago may hold it a little longer."""
        for attempt in range(100):
            try:
                call("umount", self.where.encode())
                break
            except OSError:
                if attempt == 99:
                    raise
                time.sleep(0.1)
        subprocess.run(["losetup", "--detach", self.device], check=True, timeout=30)

    def mend(self):
        self.detach()
        self.attach()
