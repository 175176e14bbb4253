import os
import time
import uuid
from pathlib import Path

from cloudify import ctx
from cloudify.state import ctx_parameters as inputs

time.sleep(inputs["seconds"])
folder = Path(inputs["marks"])
folder.mkdir(parents=True, exist_ok=True)
(folder / f"{ctx.instance.id} {ctx.operation.name} {uuid.uuid4().hex}").touch()
handle = os.open(folder, os.O_RDONLY)
os.fsync(handle)  # the mark must outlast the host's power
os.close(handle)
