"""Runs: ``run`` starts a scenario and ``resume`` continues one; both are one loop of decisions."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

from coupling.run_directory.checkpoint import SavedRun
from coupling.run_directory.directory import OnCheckpoint, RunDirectory
from coupling.run_directory.policy_memory import PolicyMemory
from coupling.run_directory.session import RunSession
from coupling.scenario.errors import Interrupted, RunError
from coupling.scenario.scenario import Scenario
from coupling.simulation.observers import (
    Callback,
    CheckpointWriter,
    DirectoryWriter,
    OnRound,
    RunObserver,
    TableMemory,
)
from coupling.simulation.oracle import fit_oracle
from coupling.simulation.result import RunResult
from coupling.simulation.round_states import initial_state
from coupling.simulation.simulation import Simulation
from coupling.simulation.stop_signals import RestorePoint, Stopped, StopRequest, act_at_once
from netsim.scheduling import Policy, RoundRecord, call_policy, notify_policy

Stop = Callable[[], bool]
"""Whether the run is to end after the present round, with its state saved; a ``StopRequest`` also
ends it within the round, which is then undone.
"""
Log = Callable[[str], None]
"""Called with each line that a user should see."""


def run(
    scenario: Scenario,
    out: str | Path | RunDirectory | None = None,
    *,
    policy: Policy | None = None,
    learning: bool = True,
    on_round: OnRound | None = None,
    stop: Stop | None = None,
    observers: Sequence[RunObserver] = (),
    on_checkpoint: OnCheckpoint | None = None,
    log: Log | None = None,
) -> RunResult:
    """Run a scenario and return its tables.

    Args:
        scenario: Scenario to run.
        out: Run directory, which is new or empty; without it the tables stay in memory.
        policy: Policy that takes the place of the scenario's; the run cannot be resumed without it.
        learning: Whether the model is trained. Without it, or without a ``[learner]`` table, the
            network runs alone, and PyTorch is imported only if the payloads are the learner's.
        on_round: Called with the record of every round.
        stop: The run ends after a round at which this is true.
        observers: Further observers of the records.
        on_checkpoint: Called with the run directory whenever the state of the run was saved.
        log: Called with each warning, and with lines on the training samples.

    Raises:
        ScenarioError: the model, the data or a file of the scenario cannot be had, or ``out``
            cannot be used; nothing was written.
        RunError: the run failed; the tables up to the round that it names are in ``out``.
        Interrupted: ``stop`` was true and there is a directory; the state is saved. Without a
            directory the tables up to there are returned.
    """
    job = _Job(on_round, stop, observers, on_checkpoint=on_checkpoint, log=log)
    if out is None:
        simulation = Simulation(scenario, learning=learning)
        memory = TableMemory()
        job.observers.insert(0, memory)
        job.warn(simulation)
        job.finish(simulation, _bound(simulation, policy))
        return RunResult.in_memory(
            scenario, memory.tables(), learning=simulation.learning, finished=simulation.ended
        )
    directory = out if isinstance(out, RunDirectory) else RunDirectory(out)
    with directory.claimed():
        with job.building("interrupted before the first round; nothing was written"):
            simulation = Simulation(scenario, learning=learning)
            job.warn(simulation)
            chosen = _bound(simulation, policy)
        session = directory.begin(
            scenario,
            simulation.state,
            simulation.learner,
            learning=simulation.learning,
            policy=None if policy is None else simulation.policy_name,
            on_checkpoint=job.on_checkpoint,
        )
        job.write(session, simulation, chosen)
    return RunResult(directory.path)


def resume(
    folder: str | Path,
    *,
    policy: Policy | None = None,
    on_round: OnRound | None = None,
    stop: Stop | None = None,
    observers: Sequence[RunObserver] = (),
    on_checkpoint: OnCheckpoint | None = None,
    log: Log | None = None,
    scenario: Scenario | None = None,
) -> RunResult:
    """Continue a run from its checkpoint and return its tables.

    The tables become those of a run that was never interrupted; a finished run stays as it is.
    Without a checkpoint the run begins again. ``log`` is called with a line on that, and on changed
    software. A run that began with a policy object needs an equal ``policy`` here. The code that
    the scenario in the run directory names is imported; for a directory of another person, give
    the ``scenario`` that you trust, or look at ``RunDirectory(folder).scenario(
    imports_plugins=False).plugins()`` first.

    Raises:
        ScenarioError: there is no run directory, or the model or data can no longer be had.
        RunError: the checkpoint is damaged or of another scenario, a part is gone, or the run began
            with a policy object and none is given; and as ``run``.
        Interrupted: as ``run``.
    """
    directory = RunDirectory(folder)
    job = _Job(on_round, stop, observers, on_checkpoint=on_checkpoint, log=log)
    scenario = scenario or directory.scenario()
    with directory.held():
        provenance = directory.provenance(scenario)
        facts = provenance.facts
        if facts["state"] == "finished":
            return RunResult(directory.path)
        _require_policy(directory.path, facts["policy"], policy)
        if line := provenance.software_changes():
            job.log(f"{directory.path}: {line}")
        for path in provenance.input_changes(scenario):
            job.log(
                f"{path}: has changed since the run started: the rounds before and after differ in "
                "their input"
            )
        saved = directory.saved(scenario, initial_state(scenario))
        if saved is None:
            job.log(f"{directory.path}: has no checkpoint; the run begins again")
        with job.building(
            f"interrupted before a round; {_how_to_continue(directory.path, scenario)}"
        ):
            simulation = Simulation(
                scenario, learning=facts["learning"], numerics=facts.get("torch_numerics")
            )
            # The number of threads changes the order of sums, and with it the last bits.
            _use_threads(facts["torch_threads"])
            if saved is not None:
                simulation.restore(saved)
            chosen = _bound(simulation, policy)
        session = directory.resume(
            scenario,
            simulation.state,
            provenance,
            learner=simulation.learner,
            on_checkpoint=job.on_checkpoint,
        )
        job.write(session, simulation, chosen, saved)
    return RunResult(directory.path)


@final
class _Job:
    """Loop of a run, and the functions that it calls."""

    def __init__(
        self,
        on_round: OnRound | None,
        stop: Stop | None,
        observers: Sequence[RunObserver],
        *,
        on_checkpoint: OnCheckpoint | None,
        log: Log | None,
    ) -> None:
        callbacks = [Callback(on_round)] if on_round else []
        self.observers: list[RunObserver] = [*callbacks, *observers]
        self.stop = stop or _never
        self.on_checkpoint = on_checkpoint or _ignore
        self.log = log or _ignore

    def write(
        self,
        session: RunSession,
        simulation: Simulation,
        policy: Policy,
        saved: SavedRun | None = None,
    ) -> None:
        """Run the remaining rounds and write them into a run directory."""
        memory = PolicyMemory(policy, simulation.policy_name, simulation.aggregator)

        def save() -> None:
            state = simulation.state
            session.save(state, simulation.learner, memory.state_dict(state.round))

        with session:
            session.open()
            if saved is None and simulation.learner.partition is not None:
                self.log(simulation.learner.partition.summary())
                if simulation.learner.partition.files:
                    self.log(simulation.learner.partition.files)
            if saved is not None:
                memory.restore(saved.policy)
            every = simulation.scenario.trace.checkpoint_every
            self.observers.insert(0, DirectoryWriter(session))
            self.observers.append(CheckpointWriter(save, every))
            # Before the end of the first round there is nothing that resume could not do again.
            if not self.finish(simulation, policy, memory) and simulation.state.round:
                save()
            self._require_end(simulation, session.folder)
            session.keep_adapter(simulation.learner)

    def warn(self, simulation: Simulation) -> None:
        """Log the warnings about a scenario and its files."""
        for line in [*simulation.scenario.warnings(), *simulation.world.file_warnings()]:
            self.log(f"warning: {line}")

    def finish(
        self, simulation: Simulation, policy: Policy, memory: PolicyMemory | None = None
    ) -> bool:
        """Run the remaining rounds; return whether the run was not stopped.

        A stopped run is in the state after its last complete round.
        """
        if self.stop():
            return False
        try:
            with act_at_once(self.stop):
                tables = simulation.initial_tables()
        except Stopped:
            return False
        if tables:
            for observer in self.observers:
                observer.on_start(tables)
        with simulation.errors:
            while (record := self._round(simulation, policy, memory)) is not None:
                notify_policy(policy, record, simulation.policy_name)
                for observer in self.observers:
                    observer.on_round(record)
                if self.stop():
                    return False
        if self.stop():
            return False
        for line in simulation.world.file_warnings(simulation.state.time_s, simulation.state.round):
            self.log(f"warning: {line}")
        return True

    def _round(
        self, simulation: Simulation, policy: Policy, memory: PolicyMemory | None
    ) -> RoundRecord | None:
        """Run a round; None after the last one, or if the round was stopped and undone."""
        before = RestorePoint.of(simulation, memory) if isinstance(self.stop, StopRequest) else None
        try:
            with act_at_once(self.stop if before else _never):
                state = simulation.observe()
                if state is None:
                    return None
                return simulation.step(call_policy(policy, state, simulation.policy_name))
        except Stopped:
            assert before is not None, "a round that cannot be undone is not stopped within"
            before.restore()
            return None

    @contextmanager
    def building(self, line: str) -> Iterator[None]:
        """Let a stop signal act while a run is built; ``line`` reports it.

        Raises:
            Interrupted: a signal has arrived.
        """
        try:
            with act_at_once(self.stop):
                yield
        except Stopped:
            raise Interrupted(line) from None

    def _require_end(self, simulation: Simulation, folder: Path) -> None:
        if not simulation.ended:
            line = _how_to_continue(folder, simulation.scenario)
            raise Interrupted(f"interrupted after round {simulation.state.round}; {line}")


def _how_to_continue(folder: Path, scenario: Scenario) -> str:
    option = " --plugins" if scenario.plugins() else ""
    return f"continue with: airtune resume {shlex.quote(str(folder))}{option}"


def _require_policy(folder: Path, former: str | None, policy: Policy | None) -> None:
    """Make sure that a run is resumed with the kind of policy with which it began.

    Raises:
        RunError: it began with a policy object of another class, or with the scenario's policy.
    """
    present = None if policy is None else type(policy).__name__
    if former == present:
        return
    if former is None:
        raise RunError(f"{folder}: was run with the policy of its scenario; resume it without one")
    raise RunError(
        f"{folder}: was run with the policy object {former}; "
        "resume it from Python with an equal one: resume(..., policy=...)"
    )


def _bound(simulation: Simulation, policy: Policy | None) -> Policy:
    """Return the policy of a run: a given object, or the one of the scenario."""
    kind = simulation.scenario.scheduler.kind
    simulation.policy_name = kind if policy is None else type(policy).__name__
    return fit_oracle(policy or simulation.scenario.policy(), simulation)


def _use_threads(count: int | None) -> None:
    if count is not None:
        import torch

        torch.set_num_threads(count)


def _ignore(_: object) -> None:
    """Ignore an argument."""


def _never() -> bool:
    return False
