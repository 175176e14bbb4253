"""Ask all nodes of a running cluster at once how they are: one login and one answer for each.

What does not answer in time is told as it is, not raised. Whoever asks again and again keeps the
logins, and then a node's answer costs a fork there.
"""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from installer.cluster_secrets import load_secrets, with_settings
from installer.engine.agent import Agent, AgentGone, LocalStream, Request
from installer.engine.openssh import demand_client, open_stream
from installer.engine.target import Target, target_of
from installer.engine.wire import EXIT, MARK, read_reply
from installer.errors import Problem
from installer.inventory import Inventory, Node
from installer.pki.files import is_ca_changing
from installer.status.facts import ClusterFacts, NodeFacts, node_facts
from installer.status.judge import judge
from installer.status.model import NodeStatus
from installer.status.request import node_request, work_request

logger = logging.getLogger(__name__)

ANSWER_S = 10.0  # that a node may take in all; a login to one that is off fails after 2 s
_PROGRAM = "status"
_UNREACHABLE = "node-unreachable"

Open = Callable[[Target], LocalStream]


class NodeLine:
    """The line to one node: an agent there, kept for the next question.

    One that was given up is never used again: whoever still waits at it sees its end, and stops.
    """

    def __init__(self, target: Target, request: Request, open_: Open) -> None:
        self.target = target
        self._request = request
        self._open = open_
        self._stream: LocalStream | None = None
        self._agent: Agent | None = None
        self._is_asking = False
        self.is_given_up = False

    def ask(self) -> NodeFacts | Problem:
        """Return what the node tells, or why it does not."""
        if self._agent is not None and not self._agent.is_alive:
            self._drop()
        was_open = self._agent is not None
        sent = time.time()
        lines = self._said()
        came = time.time()
        if not any(line.startswith((MARK, EXIT)) for line in lines):
            self._drop()
            if was_open and not self.is_given_up:  # the node may be back since the last look
                return self.ask()
            said = [line.strip() for line in lines if line.strip()]
            return self._unreachable(" / ".join(said[-2:]) or "the connection ended")
        reply = read_reply(self.target.name, lines, lines)
        if isinstance(reply, Problem):
            return reply
        return node_facts(self.target.name, reply, (sent, came))

    def _said(self) -> list[str]:
        self._is_asking = True
        try:
            return self._lines()
        except (OSError, AgentGone) as error:
            return [] if isinstance(error, AgentGone) else [str(error)]
        finally:
            self._is_asking = False

    def _lines(self) -> list[str]:
        stream = self._stream = self._stream or self._open(self.target)
        try:
            agent = self._agent = self._agent or Agent(stream)
            return agent.ask(self._request)
        except BrokenPipeError:  # the login has ended, and said why
            return list(stream.lines())

    def late(self) -> Problem:
        """Give up on an answer that did not come, and return that as a problem."""
        self.give_up()
        return self._unreachable(f"no answer within {self._request.limit_s} s")

    def give_up(self) -> None:
        """End the line at once, for good."""
        self.is_given_up = True
        self._drop()

    def renewed(self) -> "NodeLine":
        """Return a line to the same node that nobody waits at."""
        return NodeLine(self.target, self._request, self._open)

    def _drop(self) -> None:
        stream, self._stream, self._agent = self._stream, None, None
        if stream is not None:
            stream.kill()
            if not self._is_asking:  # else who reads sees the end of it, and closes it
                stream.close()

    def _unreachable(self, why: str) -> Problem:
        place = self.target.address or "this machine"
        return Problem(
            where=self.target.name,
            what=f"it cannot be asked: {why}",
            remedy=f"`ssh -p {self.target.port} {self.target.user}@{place} true` must work",
            code=_UNREACHABLE,
        )


class Watcher:
    """The lines to all nodes of a cluster; a context manager that ends them."""

    def __init__(
        self,
        inventory: Inventory,
        nodes: Sequence[Node] | None = None,
        *,
        timeout_s: float = ANSWER_S,
        with_work: bool = False,  # also what each is about: replicas of queues, executions
        open_: Open = open_stream,
    ) -> None:
        self._inventory = inventory
        self._timeout_s = timeout_s
        secrets = with_settings(load_secrets(inventory.secrets_path), inventory.settings)
        make, limit_s = work_request if with_work else node_request, max(1, int(timeout_s))
        body = functools.partial(make, inventory, secrets=secrets, timeout_s=timeout_s)
        self._lines = [
            NodeLine(target_of(node), Request(_PROGRAM, body(node), limit_s), open_)
            for node in (inventory.nodes if nodes is None else nodes)
        ]
        # a late answer may hold its thread: the next round must not wait for that
        self._pool = ThreadPoolExecutor(max_workers=max(1, 2 * len(self._lines)))

    def __enter__(self) -> Self:
        demand_client()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for line in self._lines:
            line.give_up()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def facts(self) -> ClusterFacts:
        """Ask every node once, side by side, and return what they tell."""
        began = time.monotonic()
        asked = {self._pool.submit(line.ask): line for line in self._lines}
        done, late = wait(asked, timeout=self._timeout_s)
        told = {asked[future].target.name: future.result() for future in done}
        told |= {asked[future].target.name: asked[future].late() for future in late}
        self._lines = [line.renewed() if line.is_given_up else line for line in self._lines]
        return ClusterFacts(
            inventory=self._inventory,
            nodes={n: found for n, found in told.items() if isinstance(found, NodeFacts)},
            silent={n: found for n, found in told.items() if isinstance(found, Problem)},
            now=datetime.now(UTC),
            seconds=time.monotonic() - began,
            is_ca_changing=is_ca_changing(self._inventory.certificates_path),
        )


def collect_statuses(inventory: Inventory) -> dict[str, NodeStatus]:
    """Return how each node is, asked now."""
    with Watcher(inventory) as watcher:
        return dict(judge(watcher.facts()).nodes)
