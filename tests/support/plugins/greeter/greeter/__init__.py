import os
import sys
import time
import uuid
from pathlib import Path

from cloudify import ctx
from cloudify.decorators import operation

_WORDS = {"en": "hello", "fr": "bonjour"}


@operation(resumable=True)
def greet(**_):
    ctx.instance.runtime_properties["greeting"] = _WORDS[ctx.node.properties["language"]]
    ctx.instance.runtime_properties["python"] = sys.prefix


@operation
def leave(**_):
    ctx.logger.info("the plugin says good-bye")


@operation(resumable=True)
def mark(marks, seconds, **_):
    """Leave a file that outlasts the host's power, after a while."""
    time.sleep(seconds)
    folder = Path(marks)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ctx.instance.id} {ctx.operation.name} {uuid.uuid4().hex}").touch()
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
