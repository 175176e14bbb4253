"""The parts of a backup besides the database, in the order in which they are taken."""

from installer.backup.parts import Part

PARTS: tuple[Part, ...] = ()
