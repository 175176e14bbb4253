import time

from cloudify import ctx
from cloudify.state import ctx_parameters as inputs

for number in range(inputs["ticks"]):
    ctx.logger.info("tick %d", number)
    time.sleep(0.5)
ctx.logger.info("done")
