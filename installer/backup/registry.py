"""The parts of a backup besides the database, in the order in which they are taken."""

from installer.backup.files import FilesPart
from installer.backup.keys import KeysPart
from installer.backup.parts import Part
from installer.backup.queue import QueuePart

# files last: a blueprint that comes while the others are taken is in the tree
PARTS: tuple[Part, ...] = (KeysPart(), QueuePart(), FilesPart())
