"""The files of a store: certificates with their keys, by name without the suffix."""

from collections.abc import Iterator
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.pki.authority import KeyPair
from installer.pki.files import PRIVATE, PUBLIC, make_private_folder, write_atomically


class PairFolder:
    """A folder of pairs: `ca`, and others such as `nodes/db-1/node`, each a .crt and a .key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a file, such as ca.crt."""
        return self._folder / name

    def leaves(self) -> Iterator[Path]:
        """Yield the path of every node's certificates."""
        return self._folder.glob("nodes/*/*.crt")

    def has(self, stem: str) -> bool:
        """Return whether certificate and key are both there."""
        return self.path(f"{stem}.crt").exists() and self.path(f"{stem}.key").exists()

    def pair(self, stem: str) -> KeyPair:
        """Return certificate and key; raises ConfigError when one is not there."""
        return KeyPair(self.read(f"{stem}.crt"), self.read(f"{stem}.key"))

    def read(self, name: str) -> bytes:
        """Return a file's content; raises ConfigError when it is not there."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise ConfigError(_missing_file(self.path(name))) from error

    def write(self, stem: str, pair: KeyPair) -> None:
        """Write a pair, the key first: a certificate without its key is never in the folder."""
        for parent in reversed(Path(f"{stem}.key").parents):
            make_private_folder(self._folder / parent)
        write_atomically(self.path(f"{stem}.key"), pair.key, PRIVATE)
        write_atomically(self.path(f"{stem}.crt"), pair.certificate, PUBLIC)

    def close_keys(self) -> None:
        """Take from others the keys that a careless copy of the folder gave them."""
        for key in (*self._folder.glob("*.key"), *self._folder.glob("nodes/*/*.key")):
            if key.exists() and key.stat().st_mode & 0o777 != PRIVATE:
                key.chmod(PRIVATE)


def _missing_file(path: Path) -> Problem:
    backup = "put it back from your backup; without it no certificate can be issued"
    generate = "run `cfy_manager certificates generate`; it issues what lacks"
    return Problem(
        where=str(path),
        what="the file is not here",
        remedy=backup if path.name.endswith("ca.key") else generate,
    )
