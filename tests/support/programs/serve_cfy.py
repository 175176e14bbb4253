"""Run commands of the genuine client, each in a fork of a process that has imported it.

Started by the client's own Python. A line of standard input is a JSON list of words; a line of
standard output is its exit code, output and errors. The profile must be chosen before: the client
reads it, and decides which commands it has, when it is imported.
"""

import json
import os
import sys
import tempfile
import traceback

from cloudify_cli.commands import blueprints, deployments, events, executions, node_instances
from cloudify_cli.main import _cfy

_LOADED = (blueprints, deployments, events, executions, node_instances)  # lazily, otherwise


def run(words):
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(invoke(words))
        _, status = os.waitpid(child, 0)
        texts = [read(file) for file in (output, errors)]
    return [os.waitstatus_to_exitcode(status), *texts]


def invoke(words):
    """Do what the command `cfy` does, and return its exit code."""
    sys.argv = ["cfy", *words]
    try:
        _cfy()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # as the interpreter would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def read(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def main():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        replies.write(json.dumps(run(json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
