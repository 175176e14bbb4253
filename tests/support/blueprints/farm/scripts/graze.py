from cloudify import ctx

(barn,) = ctx.instance.relationships
ctx.instance.runtime_properties["barn"] = barn.target.instance.id
