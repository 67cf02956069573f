"""Files and names: reading bytes, telling formats, and writing so that nothing is ever lost."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from editor.base import PhotoError, UsageError

PathLike = str | os.PathLike[str]

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
}
SUPPORTED = "JPEG, PNG, WebP, TIFF, AVIF or HEIC"
MAX_FILE_BYTES = 4 << 30
HEIC_HINT = 'HEIC photos need one more package: pip install "reedit[heic]"'

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_FOREIGN = {
    b"GIF8": "a GIF, animated or not,",
    b"BM": "a BMP picture",
    b"%PDF": "a PDF document",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 picture",
}
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "no such file or folder",
    errno.ENAMETOOLONG: "the name is too long",
}


def printable(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path as text that any terminal can show: undecodable bytes become U+FFFD, control characters go."""
    text = os.fsdecode(path)
    if text.isprintable():  # as nearly always: a list of ten thousand runs asks fifty thousand times
        return text
    replaced = ("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return "".join(char for char in replaced if char.isprintable())


def reason(error: OSError) -> str:
    """Why the system refused, in a few words."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def sniff(data: bytes) -> str | None:
    """The format of a file by its first bytes (32 are enough for most), None when it is not one of ours."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[4:8] == b"ftyp":
        length = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, length, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None


def foreign(data: bytes) -> str:
    """What a file that `sniff` does not know seems to be, for an error message."""
    for magic, words in _FOREIGN.items():
        if data.startswith(magic):
            return f"{words} cannot be edited"
    return "this is not a photo"


def read_bytes(path: PathLike) -> bytes:
    """The whole of a regular file. Raises PhotoError."""
    name = printable(path)
    if not name:
        raise PhotoError("the name of the photo is empty")
    try:
        # A pipe would block in open() and a device may never end, so the kind is checked before opening.
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoError(f"{name}: this is a folder, not a photo")
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(f"{name}: this is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise PhotoError(f"{name}: {status.st_size >> 30} GB is too big for a photo")
        data = Path(path).read_bytes()
    except OSError as error:
        raise PhotoError(f"{name}: cannot be read: {reason(error)}") from error
    except ValueError as error:  # a NUL in the name
        raise PhotoError(f"{name}: not a possible file name") from error
    if not data:
        raise PhotoError(f"{name}: the file is empty")
    return data


def default_output(path: PathLike) -> Path:
    """NAME.reedit.EXT next to the input; a name without a photo's extension gets that of its content."""
    source = Path(path)
    if source.suffix.lower() in FORMATS:
        return source.parent / f"{source.stem}.reedit{source.suffix}"
    head = b""
    with contextlib.suppress(OSError, ValueError):
        if source.is_file():
            with source.open("rb") as file:
                head = file.read(256)
    kind = sniff(head)
    suffix = next((ext for ext, name in FORMATS.items() if name == kind), ".png")
    return source.parent / f"{source.name}.reedit{suffix}"


def output_format(output: PathLike) -> str:
    """The format that a name's extension asks for. Raises UsageError."""
    suffix = Path(output).suffix
    if suffix.lower() not in FORMATS:
        what = f"the extension {printable(suffix)!r} is unknown" if suffix else "there is no extension"
        raise UsageError(f"{printable(output)}: {what}; use one of {' '.join(FORMATS)}")
    return FORMATS[suffix.lower()]


def check_output(photo_path: PathLike | None, output: PathLike, overwrite: bool) -> None:
    """Refuse early, before any work, an output that could not be written later.

    Raises UsageError: unknown extension, no such or no writable folder, a folder in its place, a file in its place
    (or the input itself) without `overwrite`. Raises PhotoError when HEIC is asked for and cannot be written.
    """
    if output_format(output) == "HEIF":
        from importlib.util import find_spec

        if find_spec("pillow_heif") is None:
            raise PhotoError(f"{printable(output)}: {HEIC_HINT}")
    target, name = Path(output), printable(output)
    try:
        folder = target.resolve().parent if overwrite else target.absolute().parent
        if not folder.is_dir():
            raise UsageError(f"{name}: the folder {printable(folder)} does not exist")
        if target.is_dir():
            raise UsageError(f"{name}: this is a folder")
        if target.exists() and not target.is_file():
            raise UsageError(f"{name}: this is a device or a pipe, not a file")
        if not overwrite and photo_path is not None and target.exists() and target.samefile(photo_path):
            raise UsageError(f"{name}: this is the input itself; name another output or use --overwrite")
        if not overwrite and os.path.lexists(target):
            raise UsageError(f"{name}: exists already; use --overwrite to replace it")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{name}: the folder {printable(folder)} is not writable")
    except OSError as error:
        raise UsageError(f"{name}: {reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"{name}: not a possible file name") from error


def write_atomic(output: PathLike, data: bytes, *, overwrite: bool) -> None:
    """Write a file whole or not at all; an old file stays whole until the new one is on the disk.

    The new file takes the old one's mode. Raises UsageError when a file is there and may not be replaced,
    PhotoError for anything that the system refuses.
    """
    name = printable(output)
    # Through a link, its target is replaced, not the link.
    target = Path(output).resolve() if overwrite else Path(output)
    temporary = target.parent / f".reedit-{secrets.token_hex(8)}.tmp"
    try:
        try:
            _write_synced(temporary, data)
            if overwrite:
                with contextlib.suppress(FileNotFoundError):
                    temporary.chmod(stat.S_IMODE(target.stat().st_mode))
                temporary.replace(target)
            else:
                _place_new(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{name}: exists already; use --overwrite to replace it") from error
    except OSError as error:
        raise PhotoError(f"{name}: cannot be written: {reason(error)}") from error
    _sync_folder(target.parent)


def _write_synced(path: Path, data: bytes) -> None:
    # os.open with 0o666 lets the umask decide, as for any new file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _place_new(temporary: Path, target: Path) -> None:
    """Give the finished file its name without ever replacing another. Raises FileExistsError."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here (FAT, some network file systems): reserve the name, then move onto it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            temporary.replace(target)
        except OSError:
            target.unlink()
            raise


def _sync_folder(folder: Path) -> None:
    # Not every file system can; the file itself is safe already.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
