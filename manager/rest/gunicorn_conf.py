"""gunicorn's settings, from manager.yaml: `gunicorn -c python:manager.rest.gunicorn_conf`."""

import gc
from typing import Any

from manager.memory import return_freed_memory
from manager.settings import settings_path
from manager.settings_file import load_settings

# Imports make hardly any garbage, and looking for it takes a fifth of their time.
# Source: Python's documentation of gc.freeze.
gc.disable()
return_freed_memory()

_rest = load_settings(settings_path()).rest

wsgi_app = "manager.rest.wsgi:application"
bind = f"{_rest.address}:{_rest.port}"
workers = _rest.workers
worker_class = "gthread"
threads = _rest.threads
preload_app = True  # workers share the code's memory, and start in milliseconds
worker_tmp_dir = "/dev/shm"  # noqa: S108 - gunicorn's FAQ: a disk's delay must not look like a hang
forwarded_allow_ips = "127.0.0.1,::1"
timeout = 330  # as long as nginx waits
graceful_timeout = 10
keepalive = 75  # nginx keeps connections for 60 s and must be first to close them
max_requests = 0
accesslog = None  # nginx writes one
errorlog = "-"
loglevel = _rest.log_level.lower()
control_socket_disable = True  # gunicorn 25 and newer; older ones ignore it


def when_ready(_server: Any) -> None:
    """Leave what is loaded out of garbage collection, so that workers go on sharing its memory."""
    gc.freeze()


def post_fork(_server: Any, _worker: Any) -> None:
    """Collect garbage again, where it comes up."""
    # A list of a thousand items is no garbage: to look for some at every 700 new objects, which is
    # Python's own threshold, takes a tenth of the list's time.
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
