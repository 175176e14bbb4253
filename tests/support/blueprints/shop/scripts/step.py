from cloudify import ctx
from cloudify.state import ctx_parameters

step = ctx.operation.name.rsplit(".", 1)[-1]
steps = ctx.instance.runtime_properties.get("steps", [])
ctx.instance.runtime_properties["steps"] = [*steps, step]
ctx.instance.runtime_properties["address"] = f"{ctx.node.name}.example"
ctx.logger.info("%s %s with %s", step, ctx.node.name, sorted(ctx_parameters))
