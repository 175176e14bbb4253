from cloudify import ctx
from cloudify.state import ctx_parameters as inputs

for name in ("kept", "started", "mark"):
    if name in inputs:
        ctx.instance.runtime_properties[name] = inputs[name]
