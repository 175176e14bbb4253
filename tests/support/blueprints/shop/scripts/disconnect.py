from cloudify import ctx

ctx.target.instance.runtime_properties["clients"] = []
ctx.logger.info("%s left %s", ctx.source.node.name, ctx.target.node.name)
