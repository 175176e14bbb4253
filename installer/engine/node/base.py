"""What every program on a node shares: places, and how a failure is told."""

HOME = "/var/lib/cfy_manager"
PENDING = HOME + "/pending"  # one file for each unit that owes a restart or reload
POLICY = "/usr/sbin/policy-rc.d"
POLICY_MARK = b"cfy_manager"
MAN_INDEX = "/var/lib/man-db/auto-update"
ASIDE = ".before-cfy_manager"


class Failure(Exception):
    """What a node reports instead of a result: where, what and what to do."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.where, self.what, self.remedy = where, what, remedy
