from cloudify import ctx

ctx.logger.info("good-bye")
