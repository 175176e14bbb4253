import sys

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
