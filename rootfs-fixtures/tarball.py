"""Tar files whose bytes depend on what is added and on nothing else: one owner, one time, the order of the calls."""
import io
import os
import tarfile

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))


class Tarball:
    """Writes entries one by one; `with Tarball(path) as tar: tar.file("etc/motd", b"hello\\n")`."""

    def __init__(self, target):
        self._stream = open(target, "wb") if isinstance(target, str) else target
        self._owned = isinstance(target, str)
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._tar.close()
        if self._owned:
            self._stream.close()

    def add(self, name, kind, mode, data=b"", **fields):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime, entry.size = kind, mode, EPOCH, len(data)
        for key, value in fields.items():
            setattr(entry, key, value)
        self._tar.addfile(entry, io.BytesIO(data))

    def directory(self, name, mode=0o755, **fields):
        self.add(name, tarfile.DIRTYPE, mode, **fields)

    def file(self, name, data=b"", mode=0o644, **fields):
        self.add(name, tarfile.REGTYPE, mode, data, **fields)

    def symlink(self, name, target, **fields):
        self.add(name, tarfile.SYMTYPE, 0o777, linkname=target, **fields)

    def hardlink(self, name, target, **fields):
        self.add(name, tarfile.LNKTYPE, 0o644, linkname=target, **fields)

    def fifo(self, name, mode=0o644, **fields):
        self.add(name, tarfile.FIFOTYPE, mode, **fields)

    def device(self, name, major, minor, mode=0o666, **fields):
        self.add(name, tarfile.CHRTYPE, mode, devmajor=major, devminor=minor, **fields)

    def xattrs(self, name, attributes, data=b"", mode=0o644):
        """A file with extended attributes, as GNU tar, bsdtar and docker write them: SCHILY.xattr records."""
        records = {f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in attributes.items()}
        self.file(name, data, mode, pax_headers=records)


def bytes_of(fill):
    """The bytes of a tar that `fill(tar)` writes."""
    buffer = io.BytesIO()
    with Tarball(buffer) as tar:
        fill(tar)
    return buffer.getvalue()
