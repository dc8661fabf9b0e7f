"""Read the API key from a file, as secrets are mounted, and reload it when it changes, without a restart."""

from pathlib import Path

from pydantic import SecretStr


class KeyFileError(ValueError):
    """The file holds no key, or cannot be read. One line: cause and remedy."""


class KeyFile:
    """The key in a file, stripped; a `KeySource`.

    Where the file held a key and cannot be read or holds none now (it may be half rewritten), the last key is kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fingerprint: tuple[int, ...] | None = None
        self._key: SecretStr | None = None

    def __repr__(self) -> str:
        return f"KeyFile({str(self._file)!r})"

    def current(self) -> SecretStr:
        """The key; the file is read again when its inode, size or modification time has changed.

        Raises `KeyFileError` where it has never held one.
        """
        try:
            found = self._file.stat()  # follows symbolic links: mounted secrets are rotated by switching one
            fingerprint = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._key is None or fingerprint != self._fingerprint:
                self._key, self._fingerprint = _read(self._file), fingerprint
        except (OSError, KeyFileError) as error:
            if self._key is None:
                cause = error.strerror if isinstance(error, OSError) else str(error)
                raise KeyFileError(
                    f"{self._file} holds no key ({cause}): put the token from Clari into it, or set CLARI_API_KEY "
                    "in its place"
                ) from None
        return self._key

    def refresh(self) -> SecretStr:
        """Reload the key, even if the fingerprint is unchanged."""
        self._fingerprint = None
        return self.current()


def is_plausible(key: str) -> bool:
    """Whether it could be a token: printable ASCII, as it is sent in a header."""
    return bool(key) and key.isascii() and key.isprintable()


def _read(file: Path) -> SecretStr:
    key = file.read_bytes().decode(errors="replace").strip()
    if not is_plausible(key):
        raise KeyFileError("it holds characters that no token has" if key else "it is empty")
    return SecretStr(key)
