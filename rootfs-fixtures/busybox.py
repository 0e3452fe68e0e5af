#!/usr/bin/env python3
"""busybox.tar: a small root file system around Debian's busybox-static.

Its users are what the tests need: `app` (uid 1000) is in two more groups, `daemon` and `nobody` are as on Debian.
"""
import subprocess
import sys

from tarball import Tarball

BUSYBOX = "/bin/busybox"
DIRECTORIES = [
    "bin", "dev", "etc", "home", "proc", "run", "sbin", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/log", "var/spool",
    "usr/share",
]
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:app:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
GROUP = """\
root:x:0:
daemon:x:1:
tty:x:5:
disk:x:6:root
audio:x:29:app
staff:x:50:app,daemon
app:x:1000:
nogroup:x:65534:
"""


def applets():
    """The paths of the applet links, relative to the root: `bin/ls`, `usr/bin/awk`."""
    listing = subprocess.run([BUSYBOX, "--list-full"], check=True, capture_output=True, text=True).stdout
    return sorted(path for path in listing.split() if path not in ("bin/busybox", "linuxrc"))


def fill(tar):
    tar.directory("./")
    for name in DIRECTORIES:
        tar.directory(name)
    tar.directory("root", 0o700)
    tar.directory("home/app", uid=1000, gid=1000)
    tar.directory("tmp", 0o1777)
    tar.directory("var/tmp", 0o1777)
    tar.file("etc/passwd", PASSWD.encode())
    tar.file("etc/group", GROUP.encode())
    tar.file("etc/shells", b"/bin/sh\n")
    with open(BUSYBOX, "rb") as program:
        tar.file("bin/busybox", program.read(), 0o755)
    for path in applets():
        tar.symlink(path, "/bin/busybox")


if __name__ == "__main__":
    with Tarball(sys.argv[1]) as root:
        fill(root)
