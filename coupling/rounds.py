"""The rounds of a run: look at the world, ask the policy, exchange, update, record."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

import numpy as np
import simpy
from jaxtyping import Float, Int
from numpy import ndarray

from coupling.learning import Learning
from coupling.problems import RunError
from coupling.protocols import Outcome, Plan, Protocol, Transfers
from coupling.recorder import Recorder
from coupling.rows import device_rows, round_row, transfer_rows
from coupling.scenario import Scenario
from coupling.world import Snapshot, World
from learner.errors import DivergedError
from netsim.clock import wait
from netsim.queues import next_virtual_queue
from netsim.scheduling import Allocation, History, Policy, RoundState


@final
@dataclass(frozen=True)
class RoundReport:
    """What a progress display shows of a round."""

    round: int
    scheduled: int
    time_s: float
    train_loss: float | None
    accuracy: float | None
    """Latest test accuracy; None before the first evaluation."""


@final
class Memory:
    """What the server remembers of each device, for the policies that ask."""

    def __init__(self, count: int) -> None:
        self._times_scheduled = np.zeros(count, int)
        self._last_round = np.zeros(count, int)
        self._rate_sum_bps = np.zeros(count)

    def history(self, round_: int) -> History:
        """Return what is known at the start of a round; valid until the round's end."""
        return History(self._times_scheduled, self._last_round, self._rate_sum_bps / max(1, round_ - 1))

    def note(self, round_: int, devices: Int[ndarray, " N"], rate_bps: Float[ndarray, " N"]) -> None:
        """Remember who took part in a round, and at which uplink rate."""
        self._times_scheduled[devices] += 1
        self._last_round[devices] = round_
        self._rate_sum_bps[devices] += rate_bps


@final
class Rounds:
    """A run: it owns the clock and the virtual queue, and asks the policy about snapshots of them."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        policy: Policy,
        protocol: Protocol,
        learning: Learning,
        recorder: Recorder,
        on_round: Callable[[RoundReport], None] = lambda report: None,
    ) -> None:
        self._scenario = scenario
        self._world = world
        self._policy = policy
        self._protocol = protocol
        self._learning = learning
        self._recorder = recorder
        self._on_round = on_round
        self._env = simpy.Environment()
        count = scenario.devices.count
        self._device = np.arange(count)
        self._bits = np.full(count, scenario.protocol.payload_bit)
        self._tx_power_w = np.full(count, scenario.devices.tx_power_w)
        self._queue_s = scenario.scheduler.queue_initial_budgets * scenario.delay_budget_s
        self._memory = Memory(count)
        self._accuracy: float | None = None

    @property
    def time_s(self) -> float:
        """Simulated time, in seconds."""
        return float(self._env.now)

    def run(self) -> None:
        """Run all rounds.

        Raises:
            RunError: the loss of a device is no longer finite; names the round.
        """
        self._env.run(self._env.process(self._all()))

    def _all(self) -> Generator[simpy.Event, Any, None]:
        self._evaluate(0)
        for number in range(1, self._scenario.rounds + 1):
            yield from self._round(number)
            self._evaluate(number)
            self._recorder.end_round()

    def _round(self, number: int) -> Generator[simpy.Event, Any, None]:
        start_s = self._env.now
        seen = self._world.at(start_s, block=number)
        state = self._state(number, seen)
        asked = perf_counter()
        allocation = self._policy.schedule(state)
        policy_wall_s = perf_counter() - asked
        if len(allocation.devices):
            outcome = yield from self._protocol.exchange(self._env, Plan(state, allocation))
        else:
            # Nobody is on air; the next channel draw comes a delay budget later, so that the clock advances.
            yield wait(self._env, state.delay_budget_s)
            outcome = _silence()
        losses, train_loss = self._update(number)
        self._close(state, allocation, outcome)
        row = round_row(state, allocation, outcome, self._scenario.scheduler.objective) | {
            "start_s": start_s,
            "end_s": self._env.now,
            "virtual_queue_s": self._queue_s,
            "train_loss": train_loss,
            "policy_wall_s": policy_wall_s,
            "learner_wall_s": self._learning.wall_s,
        }
        self._recorder.add("rounds", 1, row)
        self._recorder.add(
            *device_rows(state, seen, allocation, outcome, losses, self._scenario.trace.devices)
        )
        self._recorder.add(*transfer_rows(number, outcome.transfers))
        self._learning.wall_s = 0.0
        scheduled = len(allocation.devices)
        self._on_round(RoundReport(number, scheduled, self.time_s, train_loss, self._accuracy))

    def _state(self, number: int, seen: Snapshot) -> RoundState:
        scenario = self._scenario
        return RoundState(
            round=number,
            gain=seen.gain,
            bits=self._bits,
            tx_power_w=self._tx_power_w,
            bandwidth_hz=scenario.cell.bandwidth_hz,
            noise_psd=scenario.cell.noise_psd_w_per_hz,
            delay_budget_s=scenario.delay_budget_s,
            virtual_queue_s=self._queue_s,
            device=self._device,
            rng=self._world.streams.generator(f"policy/{scenario.scheduler.kind}", number),
            history=self._memory.history(number),
        )

    def _update(self, number: int) -> tuple[Mapping[int, float], float | None]:
        try:
            return self._learning.update()
        except DivergedError as error:
            raise RunError(f"round {number}: {error}") from None

    def _close(self, state: RoundState, allocation: Allocation, outcome: Outcome) -> None:
        """Bring the virtual queue and the server's memory up to date."""
        scheduler = self._scenario.scheduler
        self._queue_s = next_virtual_queue(
            state.virtual_queue_s,
            float(outcome.air_s.max(initial=0.0)),
            state.delay_budget_s,
            update=scheduler.queue_update,
            zeta=scheduler.zeta.at(state.round),
        )
        self._memory.note(state.round, allocation.devices, outcome.uplink_bps)

    def _evaluate(self, number: int) -> None:
        settings = self._scenario.learner
        if settings is None or (number % settings.evaluate_every and number != self._scenario.rounds):
            return
        result = self._learning.evaluate()
        if result is None:
            return
        self._accuracy = result.accuracy
        row = {
            "round": number,
            "time_s": self.time_s,
            "loss": result.loss,
            "accuracy": result.accuracy,
            "accuracy_trained": result.accuracy_trained,
            "accuracy_min": result.accuracy_min,
            "accuracy_max": result.accuracy_max,
            "heads_trained": result.heads_trained,
        }
        self._recorder.add("evaluations", 1, row)


def _silence() -> Outcome:
    """Return the outcome of a round in which nobody was scheduled."""
    none = np.empty(0)
    transfers = Transfers(np.empty(0, int), "", "", none, none, 0.0, none, none, none, "")
    return Outcome(np.empty(0, bool), none, none, none, none, transfers)
