"""The rounds of a run: look at the world, ask the policy, exchange, update, record."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

import numpy as np
import simpy
from jaxtyping import Bool, Float
from numpy import ndarray

from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.writer import TableWriter
from coupling.scenario.errors import RunError
from coupling.scenario.scenario import Scenario
from coupling.simulation.decision_rows import decision_row, marginal_objectives
from coupling.simulation.learning import TimedLearner
from coupling.simulation.protocols import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.rows import device_rows, round_row, share_rows, transfer_rows
from coupling.simulation.world import ScenarioWorld, Snapshot
from netsim.clock import wait
from netsim.scheduling import (
    Allocation,
    AllocationError,
    History,
    Policy,
    RoundState,
    call_policy,
    validated,
)
from netsim.virtual_queue import next_virtual_queue


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
class Rounds:
    """A run: it owns the clock and the virtual queue, and asks the policy about snapshots of
    them.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        world: ScenarioWorld,
        policy: Policy,
        protocol: Protocol,
        learning: TimedLearner,
        recorder: TableWriter,
        state: RunState,
        after_round: Callable[[RoundReport], bool],
    ) -> None:
        self._scenario = scenario
        self._world = world
        self._policy = policy
        self._protocol = protocol
        self._learning = learning
        self._recorder = recorder
        self._after_round = after_round
        self.state = state
        """What the next round depends on; complete between two rounds."""
        self._env = env
        count = scenario.devices.count
        self._device = np.arange(count)
        self._tx_power_w = np.broadcast_to(scenario.devices.tx_power_w, count)
        self._battery = scenario.devices.battery

    def run(self) -> None:
        """Run the rounds that are left, until the last one or until ``after_round`` returns true.

        Raises:
            RunError: the loss of a device, or another number, is no longer finite; names the round.
        """
        try:
            # NumPy would only warn, and an infinity or NaN would go on into the tables as if it
            # were physical.
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                self._env.run(self._env.process(self._all()))
        except (FloatingPointError, ZeroDivisionError) as error:
            raise RunError(
                f"round {self.state.round + 1}: {error}; a number in the scenario is extreme"
            ) from None
        except AllocationError as error:
            raise RunError(str(error)) from None
        except (ArithmeticError, MemoryError) as error:
            raise RunError(
                f"round {self.state.round + 1}: {str(error) or 'out of memory'}"
            ) from None

    def _all(self) -> Generator[simpy.Event, Any, None]:
        if self.state.round == 0:
            self._recorder.add(*share_rows(self._learning.partition))
            self._evaluate(0)
            self._recorder.end_round()
        for number in range(self.state.round + 1, self._scenario.rounds + 1):
            yield from self._round(number)
            self._evaluate(number)
            self.state.round, self.state.time_s = number, float(self._env.now)
            self._recorder.end_round()
            if self._after_round(self._report):
                return

    def _round(self, number: int) -> Generator[simpy.Event, Any, None]:
        start_s = self._env.now
        seen = self._world.at(start_s, number)
        payload = self._protocol.payload(number)
        everyone = self._state(number, seen, payload)
        available, charge_j = (
            self._available(seen),
            None if self._battery is None else self.state.battery_j,
        )
        offered = available & (self.state.times_arrived == 0) if payload.once else available
        # Everybody, the usual case, takes no copies.
        state = everyone if offered.all() else everyone.subset(offered)
        name, asked = self._scenario.scheduler.kind, perf_counter()
        answer = call_policy(self._policy, state, name) if len(state.device) else Allocation.empty()
        policy_wall_s = perf_counter() - asked
        allocation = validated(answer, state, name)
        if len(allocation.devices):
            outcome = yield from self._protocol.exchange(self._plan(state, allocation, seen))
        else:
            outcome = Outcome.empty()
        self.state.times_arrived[allocation.devices] += outcome.arrived
        yield from self._protocol.barrier(number, self.state.times_arrived)
        if self._env.now == start_s:
            # Nothing was on air; the next channel block decides anew, so that the clock always
            # advances.
            next_s = self._world.until_next_block(start_s, number)
            yield wait(self._env, state.delay_budget_s if next_s is None else next_s)
        losses, train_loss = self._learning.update(number)
        self._close(state, allocation, outcome, self._env.now - start_s)
        row = round_row(state, allocation, outcome, self._scenario.scheduler.objective) | {
            "start_s": start_s,
            "end_s": self._env.now,
            "virtual_queue_s": self.state.virtual_queue_s,
            "train_loss": train_loss,
            "policy_wall_s": policy_wall_s,
            "learner_wall_s": self._learning.wall_s,
        }
        self._recorder.add("rounds", 1, row)
        objective, diagnose = self._scenario.scheduler.objective, self._scenario.scheduler.diagnose
        decision = decision_row(
            state, allocation, outcome, objective, optimum=diagnose is not False
        )
        self._recorder.add(
            "decisions",
            1,
            decision
            | {"virtual_queue_s": self.state.virtual_queue_s, "policy_wall_s": policy_wall_s},
        )
        marginal = (
            marginal_objectives(state, allocation, objective) if diagnose == "devices" else None
        )
        if marginal is not None and state is not everyone:
            offered, marginal = marginal, np.full(len(self._device), np.nan)
            marginal[state.device] = offered
        written = self._scenario.trace.devices
        self._recorder.add(
            *device_rows(
                everyone, seen, available, charge_j, allocation, outcome, losses, marginal, written
            )
        )
        self._recorder.add(*transfer_rows(number, outcome.transfers))
        self._learning.wall_s = 0.0
        self._report = RoundReport(
            number, len(allocation.devices), float(self._env.now), train_loss, self.state.accuracy
        )

    def _available(self, seen: Snapshot) -> Bool[ndarray, " K"]:
        """Return which devices are there and have something to spend."""
        return (
            seen.available if self._battery is None else seen.available & (self.state.battery_j > 0)
        )

    def _plan(self, state: RoundState, allocation: Allocation, seen: Snapshot) -> RoundPlan:
        """Return what the protocol carries out, with what the world has in store for the scheduled
        devices.
        """
        devices, now_s = allocation.devices, self._env.now
        ahead = self._world.ahead(seen, np.sort(devices), now_s)
        unlimited = np.full(len(devices), np.inf)
        charge_j = unlimited if self._battery is None else self.state.battery_j[devices]
        return RoundPlan(
            state, allocation, ahead, self._world.leave_s(seen, devices, now_s), charge_j
        )

    def _state(self, number: int, seen: Snapshot, payload: Payload) -> RoundState:
        scenario = self._scenario
        gain = scenario.scheduler.knowledge.estimate(
            self._measured(seen), number, self._world.streams
        )
        return RoundState(
            round=number,
            gain=gain,
            bits=payload.uplink_bits,
            tx_power_w=self._tx_power_w,
            bandwidth_hz=scenario.cell.bandwidth_hz,
            noise_psd=scenario.cell.noise_psd_w_per_hz,
            delay_budget_s=scenario.delay_budget_s,
            virtual_queue_s=self.state.virtual_queue_s,
            device=self._device,
            downlink_bits=payload.downlink_bits,
            downlink_bandwidth_hz=scenario.cell.downlink_bandwidth_hz,
            server_tx_power_w=scenario.cell.server_tx_power_w,
            rng=self._world.streams.generator(f"policy/{scenario.scheduler.kind}", number),
            history=self._history(number),
        )

    def _measured(self, seen: Snapshot) -> Float[ndarray, " K"]:
        """Return the gains that the server has measured, which may be some blocks old."""
        age = self._scenario.scheduler.knowledge.age
        if age == 0:
            return seen.gain
        earlier = self._world.gain_before(seen, age)
        if earlier is not None:
            return earlier
        self.state.past_gain = np.concatenate([self.state.past_gain, seen.gain[None]])[-age - 1 :]
        return self.state.past_gain[0]

    def _close(
        self, state: RoundState, allocation: Allocation, outcome: Outcome, duration_s: float
    ) -> None:
        """Bring the virtual queue, the server's memory and the batteries up to date."""
        scheduler = self._scenario.scheduler
        self.state.virtual_queue_s = next_virtual_queue(
            state.virtual_queue_s,
            float(outcome.air_s.max(initial=0.0)),
            state.delay_budget_s,
            update=scheduler.queue_update,
            zeta=scheduler.zeta.at(state.round),
        )
        self.state.times_scheduled[allocation.devices] += 1
        self.state.last_round[allocation.devices] = state.round
        self.state.rate_sum_bps[allocation.devices] += outcome.uplink_bps
        self.state.energy_sum_j[allocation.devices] += outcome.transmit_j
        if self._battery is not None:
            spent_j = np.zeros(len(self._device))
            spent_j[allocation.devices] = outcome.energy_j
            self.state.battery_j = self._battery.next_charge_j(self.state.battery_j, spent_j, duration_s)

    def _history(self, number: int) -> History:
        """Return what the server remembers at the start of a round."""
        past = self.state
        rounds = max(1, number - 1)
        return History(
            past.times_scheduled,
            past.last_round,
            past.rate_sum_bps / rounds,
            past.energy_sum_j / rounds,
        )

    def _evaluate(self, number: int) -> None:
        settings = self._scenario.learner
        if settings is None or (
            number % settings.evaluate_every and number != self._scenario.rounds
        ):
            return
        result = self._learning.evaluate()
        if result is None:
            return
        self.state.accuracy = result.accuracy
        row = {
            "round": number,
            "time_s": self._env.now,
            "loss": result.loss,
            "accuracy": result.accuracy,
            "accuracy_trained": result.accuracy_trained,
            "accuracy_min": result.accuracy_min,
            "accuracy_max": result.accuracy_max,
            "heads_trained": result.heads_trained,
        }
        self._recorder.add("evaluations", 1, row)
