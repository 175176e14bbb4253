from cloudify import ctx
from cloudify.state import ctx_parameters as inputs

connection = {"host": inputs["address"], "port": inputs["port"], "tags": ["a", 1, None, True]}
ctx.source.instance.runtime_properties["connection"] = connection
ctx.target.instance.runtime_properties["clients"] = [ctx.source.instance.id]
