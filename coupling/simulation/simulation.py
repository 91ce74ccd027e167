"""Simulation of one run, advanced one decision at a time: ``observe`` and ``step``."""

from collections.abc import Generator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np
import simpy
from jaxtyping import Float
from numpy import ndarray

from coupling.run_directory.checkpoint import RunState, SavedRun
from coupling.run_directory.writer import Rows, Tables
from coupling.scenario.errors import RoundErrors, RunError
from coupling.scenario.scenario import Scenario
from coupling.simulation import rows
from coupling.simulation.build import (
    build_aggregator,
    build_cell,
    build_learner,
    build_protocol,
    build_world,
)
from coupling.simulation.learners import TimedLearner, UntrainedLearner
from coupling.simulation.protocols import Outcome, Protocol, RoundPlan
from coupling.simulation.round_states import (
    OpenRound,
    history,
    initial_state,
    read_only,
    round_state,
    update_state,
)
from coupling.simulation.world import Snapshot
from learner.base import Learner, NoLearner
from netsim.clock import wait
from netsim.scheduling import Allocation, RoundRecord, RoundState, validated

if TYPE_CHECKING:
    from learner.evaluate import Evaluation


@final
class Simulation:
    """One run: the world, the protocol and the learner of a scenario, advanced by decisions.

    A run is a loop of two calls. ``observe`` brings simulated time to the next decision and returns
    the state that a policy sees. ``step`` carries an allocation out and returns the record of the
    round::

        simulation = Simulation(Scenario.load("scenario.toml"))
        while (state := simulation.observe()) is not None:
            record = simulation.step(policy.schedule(state))

    The simulation owns the clock, the virtual queue and the state of the devices. It writes
    nothing; observers take the rows of the tables from the records.

    Raises:
        ScenarioError: the model, the data or a file of the scenario cannot be had.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        learning: bool = True,
        training: bool = True,
        learner: Learner | None = None,
        numerics: Mapping[str, str] | None = None,
    ) -> None:
        """Build the run of a scenario before its first round.

        Without ``learning``, or without a ``[learner]`` table, the network runs alone. Without
        ``training`` the learner is built, and makes no step and no evaluation. ``learner`` takes
        the place of the learner of the scenario. ``numerics`` takes the place of a choice that the
        scenario leaves to this machine.
        """
        self.scenario = scenario
        self.learning = learner is not None or (learning and scenario.learner is not None)
        """Whether a model is trained."""
        self.policy_name = ""
        """Name of the policy in the texts of errors; empty where ``step`` is called directly."""
        self.world = build_world(scenario)
        built = learner or build_learner(scenario, learning=learning, numerics=numerics)
        if not isinstance(built, NoLearner):
            built = TimedLearner(built if training else UntrainedLearner(built))
        self.learner = built
        self.aggregator = build_aggregator(scenario)
        """Rule that combines the updates of a round."""
        self._observed_s = 0.0
        self.errors = RoundErrors(lambda: self.state.round + 1)
        """Context in which errors of numbers name the round; it may be entered again inside."""
        count = scenario.devices.count
        self._device = np.arange(count)
        self._deadline_s: float | None = getattr(scenario.protocol, "deadline_s", None)
        self.tx_power_w = np.broadcast_to(scenario.devices.max_power_w, count)
        """Maximum transmit power of each device, in W."""
        self._battery = scenario.devices.battery
        compute = scenario.devices.compute
        self._speed_per_s = (
            compute.speeds(scenario.devices.count, self.world.streams) if compute else None
        )
        self._begin(initial_state(scenario))

    def _begin(self, state: RunState) -> None:
        """Set the clock to the time of a state between two rounds."""
        self.state = state
        """State that the next round depends on; complete between two rounds."""
        self._open: OpenRound | None = None
        self._env = simpy.Environment(initial_time=state.time_s)
        self.cells = (build_cell(self._env, self.scenario),)
        """Cells of the run; there is one."""
        self.protocol: Protocol = build_protocol(
            self._env,
            self.scenario,
            cell=self.cells[0],
            learner=self.learner,
            streams=self.world.streams,
        )

    def restore(self, saved: SavedRun) -> None:
        """Continue from a checkpoint.

        Raises:
            RunError: the learner's state is damaged or belongs to another learner.
        """
        if self.learning:
            from learner.errors import StateError

            try:
                self.learner.load(saved.learner)
            except StateError as error:
                raise RunError(str(error)) from None
        self._begin(saved.state)

    @property
    def ended(self) -> bool:
        """Whether the last round is over."""
        state = self.state
        return state.accurate or self.scenario.ending.is_last(state.round, state.time_s)

    def initial_tables(self) -> Tables:
        """Return the rows from before the first round: shares of the data, and an evaluation.

        There are none once a round has been completed.

        Raises:
            RunError: a number is no longer finite.
        """
        if self.state.round:
            return {}
        tables: dict[str, list[Rows]] = {"shares": [rows.share_rows(self.learner.partition)]}
        with RoundErrors(lambda: 0):
            evaluation = self._evaluate(0)
        if evaluation is not None:
            row = rows.evaluation_row(
                evaluation, 0, self.state.time_s, air_time_s=self.state.air_time_s
            )
            tables["evaluations"] = [(1, row)]
        return tables

    def observe(self, *, after_end: bool = False) -> RoundState | None:
        """Return the state at the next decision; None after the last round.

        Without offered devices (``len(state.device) == 0``) the answer is ``Allocation.empty()``.
        Until ``step`` is called, the state stays the same. With ``after_end`` there is a state
        after the last round, too: the one that a further round would begin with.

        Raises:
            RunError: a number is no longer finite; names the round.
        """
        if self._open is None:
            if self.ended and not after_end:
                return None
            with self.errors:
                self._open = self._open_round(self.state.round + 1)
        self._observed_s = perf_counter()
        return self._open.offered

    def step(self, allocation: Allocation) -> RoundRecord:
        """Carry an allocation out, and return the record of the round.

        The wall-clock time since ``observe`` counts as the time of the decision.

        Raises:
            RunError: the allocation breaks a rule; or a loss or another number is no longer finite.
                Names the round.
        """
        policy_wall_s = perf_counter() - self._observed_s
        view = self._open
        if view is None:
            raise RuntimeError("step() follows observe(), once per round")
        number = view.offered.round
        with self.errors:
            answer = validated(allocation, view.offered, self.policy_name)
            start_s = float(self._env.now)
            process = self._env.process(self._round(view, answer))
            outcome = cast(Outcome, self._env.run(process))
            losses = self.learner.aggregate(self.aggregator, number)
            duration_s = self._env.now - start_s
            update_state(
                self.state,
                self.scenario,
                view,
                allocation=answer,
                outcome=outcome,
                losses=losses,
                duration_s=duration_s,
            )
            tables = rows.round_tables(
                self.scenario,
                view,
                answer,
                outcome=outcome,
                losses=losses,
                after=self.state,
                start_s=start_s,
                end_s=float(self._env.now),
                policy_wall_s=policy_wall_s,
                learner_wall_s=self._learner_wall_s(),
            )
            evaluation = self._evaluate(number)
        self._open = None
        self.state.round = number
        self.state.time_s = float(self._env.now)
        if evaluation is not None:
            self.state.accurate = self.scenario.ending.is_accurate(evaluation.accuracy)
        return rows.round_record(answer, outcome, tables, evaluation=evaluation)

    def _open_round(self, number: int) -> OpenRound:
        """Look at the world at the start of a round."""
        snapshot = self.world.at(self._env.now, number)
        payload = self.protocol.payload(number)
        charge_j = None if self._battery is None else self.state.battery_j
        available = snapshot.available
        if charge_j is not None:
            available = available & ~self.state.depleted
        csi = self.scenario.scheduler.csi
        everyone = round_state(
            self.scenario,
            number,
            gain=csi.estimate(self._measured(snapshot), number, self.world.streams),
            payload=payload,
            tx_power_w=self.tx_power_w,
            virtual_queue_s=self.state.virtual_queue_s,
            device=self._device,
            rng=self.world.streams.generator(f"policy/{self.scenario.scheduler.kind}", number),
            history=history(self.state, number),
            battery_j=charge_j,
            position_m=snapshot.position_m,
            distance_m=snapshot.distance_m,
            samples=self.learner.samples,
            last_loss=self._snapshot(self.state.last_loss),
            last_gradient_norm=self._snapshot(self.state.last_gradient_norm),
            speed_per_s=self._speed_per_s,
            rounds_since_arrival=read_only(number - self.state.last_arrival),
            available=available,
            deadline_s=self._deadline_s,
            power_per_block_w=snapshot.power_per_block_w,
        )
        offered = available & (self.state.times_arrived == 0) if payload.one_shot else available
        # If every device is offered, the usual case, nothing is copied.
        return OpenRound(
            snapshot=snapshot,
            everyone=everyone,
            offered=everyone if offered.all() else everyone.subset(offered),
            available=available,
            charge_j=charge_j,
        )

    def _snapshot(self, values: Float[ndarray, " K"]) -> Float[ndarray, " K"]:
        """Return a copy of values that change where something is learned."""
        return read_only(values.copy()) if self.learning else values

    def _round(
        self, view: OpenRound, allocation: Allocation
    ) -> Generator[simpy.Event, Any, Outcome]:
        """Carry the scheduled devices through the round, as a SimPy process."""
        number = view.offered.round
        start_s = self._env.now
        outcome = Outcome.empty()
        if len(allocation.devices):
            outcome = yield from self.protocol.exchange(self._plan(view, allocation))
        self.state.times_arrived[allocation.devices] += outcome.arrived
        yield from self.protocol.end_round(number, self.state.times_arrived)
        lost = len(allocation.devices) > 0 and not outcome.arrived.any()
        if lost or self._env.now == start_s:
            # Nothing was learned. The next decision comes with the next channel block or after one
            # budget, so that the clock advances and the gains of the next round are others.
            span_s = self.world.until_next_block(start_s, number)
            if span_s is None:
                span_s = view.offered.delay_budget_s
            yield wait(self._env, max(0.0, span_s - (self._env.now - start_s)))
        return outcome

    def _plan(self, view: OpenRound, allocation: Allocation) -> RoundPlan:
        """Return the plan of the round, with the channel and the departures of its devices."""
        devices = allocation.devices
        now_s = self._env.now
        unlimited = np.full(len(devices), np.inf)
        return RoundPlan(
            state=view.offered,
            allocation=allocation,
            channel=self.world.channel(view.snapshot, np.sort(devices), now_s),
            departure_s=self.world.departure_s(view.snapshot, devices, now_s),
            charge_j=unlimited if view.charge_j is None else view.charge_j[devices],
        )

    def _measured(self, snapshot: Snapshot) -> Float[ndarray, " K"]:
        """Return the gains that the server has measured, which may be some blocks old."""
        age = self.scenario.scheduler.csi.age
        if age == 0:
            return snapshot.gain
        earlier = self.world.gain_before(snapshot, age)
        if earlier is not None:
            return earlier
        history = np.concatenate([self.state.past_gain, snapshot.gain[None]])
        self.state.past_gain = history[-age - 1 :]
        return self.state.past_gain[0]

    def _learner_wall_s(self) -> float:
        """Return the wall-clock time of the learner's steps in the round, and begin anew."""
        if not isinstance(self.learner, TimedLearner):
            return 0.0
        spent_s = self.learner.wall_s
        self.learner.wall_s = 0.0
        return spent_s

    def _evaluate(self, number: int) -> "Evaluation | None":
        """Return the evaluation after a round; None if none is due."""
        settings = self.scenario.learner
        now_s = float(self._env.now)
        if settings is None or (
            number % settings.evaluate_every and not self.scenario.ending.is_last(number, now_s)
        ):
            return None
        return self.learner.evaluate()
