"""Insert numbered rows as a manager does, and print each acknowledged commit; stdin's end ends it.

usage, on a manager's host: python -c TEXT TABLE
"""

import json
import sys
import threading
import time

from sqlalchemy import text

from manager.errors import Unavailable
from manager.settings import settings_path
from manager.settings_file import load_settings
from manager.storage.database import Database

PAUSE_S = 0.05
RETRY_S = 0.2


def say(**words):
    sys.stdout.write(json.dumps({"time": time.time(), **words}) + "\n")
    sys.stdout.flush()


def write_row(database, statement, number):
    """Insert one row; what becomes of a commit that nobody acknowledged stays unknown."""
    try:
        with database.session() as session:
            session.execute(statement, {"number": number})
    except Unavailable as error:
        say(failure=str(error)[:200])
        return RETRY_S
    say(number=number)
    return PAUSE_S


def main(table):
    database = Database(load_settings(settings_path()).database, connections=1)
    with database.session() as session:
        session.execute(text(f"CREATE TABLE {table} (number bigint PRIMARY KEY)"))
    statement = text(f"INSERT INTO {table} VALUES (:number)")
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number, pause_s = 0, 0.0
    while not ended.wait(pause_s):
        number += 1  # a number is tried once: a second try could meet its own unknown commit
        pause_s = write_row(database, statement, number)


if __name__ == "__main__":
    main(sys.argv[1])
