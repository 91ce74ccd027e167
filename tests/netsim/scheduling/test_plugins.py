import re
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
from support.scheduling_states import paper_gains, paper_state, with_memory

from netsim import plugin_import
from netsim.scheduling import (
    POLICIES,
    Allocation,
    AllocationError,
    Objective,
    Policy,
    RoundRecord,
    RoundState,
    call_policy,
    create,
    policy_state,
    registry,
    validated,
)
from netsim.scheduling.objective import ConstantZeta

PAGE = Path(__file__).parents[3] / "docs" / "writing-a-policy.md"


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Save the policy of the page under the file name of the page, and return its kind."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    assert len(re.findall(r"\S.*", code[1].partition("@final")[2])) <= 20
    (tmp_path / "my_policies.py").write_text(code[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_policies", raising=False)
    return "my_policies:Unlucky"


def test_the_policy_of_the_page_keeps_its_description(documented: str) -> None:
    policy = create(documented, max_count=8)

    for gain in paper_gains(1, 20, 20):
        state = with_memory(paper_state(gain))
        answer = validated(policy.schedule(state), state, documented)

        assert answer.delay_s <= state.delay_budget_s
        assert state.history is not None
        waiting = np.argsort(state.history.times_scheduled, kind="stable")
        assert set(answer.devices.tolist()) == set(waiting[: len(answer.devices)].tolist())


@pytest.fixture
def documented_bandit() -> type[Policy]:
    """Return the class of the second policy of the page."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    names: dict[str, object] = {}
    exec(code, names)
    bandit = names["Bandit"]
    assert isinstance(bandit, type)
    return bandit


def observed(policy: Policy, state: RoundState) -> Allocation:
    """Schedule a round, let all updates arrive, and return the allocation."""
    allocation = validated(policy.schedule(state), state, "Bandit")
    policy.observe(
        RoundRecord(
            round=state.round,
            time_s=float(state.round),
            allocation=allocation,
            scheduled=allocation.devices,
            arrived=np.ones(len(allocation.devices), bool),
            delay_s=allocation.delay_s,
            objective=0.0,
            virtual_queue_s=0.0,
            energy_j=0.0,
            train_loss=None,
            evaluation=None,
            tables={},
        )
    )
    return allocation


def test_the_bandit_of_the_page_is_the_same_after_a_restart(
    documented_bandit: type[Policy],
) -> None:
    policy = documented_bandit(count=3, devices=12)  # type: ignore[call-arg]
    scheduled: set[int] = set()

    for number, gain in enumerate(paper_gains(1, 12, 40), 1):
        state = paper_state(gain, number)
        packed = policy_state.pack(policy.state_dict())
        restored = documented_bandit(count=3, devices=12)  # type: ignore[call-arg]
        restored.load_state_dict(policy_state.unpack(*packed))
        allocation = observed(policy, state)

        np.testing.assert_array_equal(allocation.devices, observed(restored, state).devices)
        scheduled.update(allocation.devices.tolist())

    assert len(scheduled) == 12
    assert policy_state.has_memory(policy)


def test_an_installed_package_offers_policies_by_name(
    documented: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("unlucky", documented, registry.ENTRY_POINTS)
    monkeypatch.setattr(
        plugin_import, "entry_points", lambda group: EntryPoints([point]).select(group=group)
    )

    assert type(create("unlucky", max_count=3)).__name__ == "Unlucky"
    with pytest.raises(
        ValueError, match=r"knapsack_energy, unlucky, or 'package\.module:ClassName'"
    ):
        create("lucky")


def test_the_kind_of_a_policy_is_its_name_in_the_registry() -> None:
    for name, policy in POLICIES.items():
        assert policy.kind == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("nothing", "unknown policy 'nothing': allowed are all_in, "),
        (
            "no.such.module:Policy",
            "'no.such.module:Policy' cannot be imported: No module named 'no'",
        ),
        (
            "netsim.scheduling:Missing",
            "cannot be imported: module 'netsim.scheduling' has no attribute 'Missing'",
        ),
        ("netsim.scheduling:", "cannot be imported"),
        (":Policy", "cannot be imported"),
        ("netsim.scheduling:RoundState", "is not a subclass of netsim.scheduling.Policy"),
        ("netsim.scheduling:create", "is not a subclass of netsim.scheduling.Policy"),
    ],
)
def test_a_policy_that_does_not_exist_is_refused_in_one_line(kind: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        create(kind)


SMALL_POLICY = """
from netsim.scheduling import Allocation, Policy

class {name}(Policy):
    def schedule(self, state):
        return Allocation.empty()
"""


def write_policy(folder: Path, file: str, name: str) -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SMALL_POLICY.format(name=name))


def test_a_policy_is_found_in_a_folder_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenarios, here = tmp_path / "scenarios", tmp_path / "here"
    write_policy(scenarios, "beside_scenario.py", "Beside")
    write_policy(here, "in_directory.py", "InDirectory")
    write_policy(scenarios, "in_both.py", "FromFolder")
    write_policy(here, "in_both.py", "FromDirectory")
    monkeypatch.chdir(here)
    path_before = list(sys.path)

    for kind in ("beside_scenario:Beside", "in_directory:InDirectory", "in_both:FromFolder"):
        assert type(create(kind, [scenarios])).__name__ == kind.partition(":")[2]
    assert sys.path == path_before
    with pytest.raises(ValueError, match="No module named 'beside_elsewhere'"):
        create("beside_elsewhere:Beside", [scenarios])


def test_a_module_of_the_same_name_from_elsewhere_is_not_taken(tmp_path: Path) -> None:
    for folder, name in (("one", "First"), ("two", "Second")):
        write_policy(tmp_path / folder, "same_name.py", name)
        write_policy(tmp_path / folder, "same_package/__init__.py", "Outer")
        write_policy(tmp_path / folder, "same_package/inner.py", name)

    first = create("same_name:First", [tmp_path / "one"])
    inner = create("same_package.inner:First", [tmp_path / "one"])
    module = sys.modules["same_name"]

    assert type(create("same_name:Second", [tmp_path / "two"])).__name__ == "Second"
    assert type(create("same_package.inner:Second", [tmp_path / "two"])).__name__ == "Second"
    assert sys.modules["same_name"] is module
    assert type(create("same_name:First", [tmp_path / "one"])) is type(first)
    assert type(create("same_package.inner:First", [tmp_path / "one"])) is type(inner)


def test_airtune_s_own_modules_are_not_taken_from_a_folder(tmp_path: Path) -> None:
    write_policy(tmp_path, "netsim/scheduling/__init__.py", "Shadow")

    with pytest.raises(ValueError, match="has no attribute 'Shadow'"):
        create("netsim.scheduling:Shadow", [tmp_path])


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1 / 0", r"ZeroDivisionError: division by zero \(broken_policy.py, line 1\)"),
        ("raise OSError('first\\nsecond')", r"OSError: first second \(broken_policy.py, line 1\)"),
        ("def (", r"SyntaxError: invalid syntax \(broken_policy.py, line 1\)"),
        ("import no_such_thing", "No module named 'no_such_thing'"),
    ],
)
def test_a_module_that_raises_is_refused_in_one_line(
    tmp_path: Path, code: str, problem: str
) -> None:
    (tmp_path / "broken_policy.py").write_text(code)

    with pytest.raises(ValueError, match=problem) as error:
        create("broken_policy:Broken", [tmp_path])

    assert "\n" not in str(error.value)
    assert str(tmp_path) not in sys.path


def test_zeta_and_drift_are_short_for_the_objective() -> None:
    objective = Objective(zeta=ConstantZeta(initial=2.0), drift="full")
    zeta = {"kind": "constant", "initial": 2.0}
    for kind, options in (
        ("algorithm1", {}),
        ("exact", {}),
        ("knapsack_energy", {"energy_budget_j": 1.0}),
    ):
        assert create(kind, **options, zeta=zeta, drift="full") == create(
            kind, **options, objective=objective
        )
    with pytest.raises(ValueError, match="objective excludes zeta and drift; keep one of the two"):
        create("exact", objective=objective, zeta=zeta, drift="full")


def test_the_former_names_of_an_allocation_s_constructors_stay() -> None:
    state = paper_state(np.array([1e-6, 2e-6]))
    chosen = np.array([0, 1])

    assert Allocation.nobody().devices.size == 0
    assert (
        Allocation.fastest(state, chosen).delay_s == Allocation.equal_finish(state, chosen).delay_s
    )


class Returning(Policy):
    """A policy that returns a given answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def schedule(self, state: RoundState) -> Allocation:
        return self.answer  # type: ignore[return-value]


BAND = 10e6
GOOD = Allocation(np.array([4, 2]), np.array([BAND / 2, BAND / 2]), 50.0)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (replace(GOOD, devices=np.array([4, 5])), "device 5 is not among those offered"),
        (replace(GOOD, devices=np.array([4, -1])), "device -1 is not among those offered"),
        (replace(GOOD, devices=np.array([4, 4])), "device 4 is scheduled twice"),
        (
            replace(GOOD, devices=np.array([4.0, 2.0])),
            "devices must be a one-dimensional array of integers",
        ),
        (
            replace(GOOD, devices=np.array([[4, 2]])),
            "devices must be a one-dimensional array of integers",
        ),
        (replace(GOOD, devices=[4, 2]), "devices must be a one-dimensional array of integers"),
        (
            replace(GOOD, devices=np.array([4])),
            "bandwidth_hz must be an array of 1 floats, one per device",
        ),
        (
            replace(GOOD, bandwidth_hz=[1.0, 1.0]),
            "bandwidth_hz must be an array of 2 floats, one per device",
        ),
        (
            replace(GOOD, bandwidth_hz=np.array([1.0, -2.0])),
            "bandwidth -2.0 Hz of device 2 is not positive and finite",
        ),
        (
            replace(GOOD, bandwidth_hz=np.array([0.0, 1.0])),
            "bandwidth 0.0 Hz of device 4 is not positive and finite",
        ),
        (
            replace(GOOD, bandwidth_hz=np.array([1.0, np.nan])),
            "bandwidth nan Hz of device 2 is not positive and finite",
        ),
        (
            replace(GOOD, bandwidth_hz=np.array([np.inf, 1.0])),
            "bandwidth inf Hz of device 4 is not positive and finite",
        ),
        (
            replace(GOOD, bandwidth_hz=np.array([BAND, 100.0])),
            "bandwidths sum to 10000100 Hz, more than the band of 10000000 Hz",
        ),
        (
            replace(GOOD, delay_s=np.nan),
            "delay_s = nan is not a finite number of seconds from 0 on",
        ),
        (
            replace(GOOD, delay_s=np.inf),
            "delay_s = inf is not a finite number of seconds from 0 on",
        ),
        (replace(GOOD, delay_s=-1.0), "delay_s = -1.0 is not a finite number of seconds from 0 on"),
        (
            replace(GOOD, delay_s="soon"),
            "delay_s = 'soon' is not a finite number of seconds from 0 on",
        ),
        (None, "schedule() must return an Allocation, not NoneType"),
        (([4], [1.0], 1.0), "schedule() must return an Allocation, not tuple"),
    ],
)
def test_an_invalid_allocation_is_refused_with_policy_round_and_rule(
    answer: object, rule: str
) -> None:
    state = replace(paper_state(np.full(3, 1e-6), number=17), device=np.array([0, 2, 4]))

    with pytest.raises(AllocationError) as error:
        validated(Returning(answer).schedule(state), state, "ours:Returning")

    assert str(error.value) == f"policy 'ours:Returning', round 17: {rule}"


class Careless(Policy):
    """A policy that writes into its state."""

    def __init__(self, name: str) -> None:
        self.name = name

    def schedule(self, state: RoundState) -> Allocation:
        values = getattr(state if hasattr(state, self.name) else state.require_history(), self.name)
        values[0] = 1
        return Allocation.empty()


@pytest.mark.parametrize(
    "name", ["gain", "bits", "tx_power_w", "device", "times_scheduled", "mean_rate_bps"]
)
def test_a_policy_cannot_change_the_world_or_the_server_s_memory(name: str) -> None:
    state = with_memory(paper_state(np.full(3, 1e-6), number=4))

    with pytest.raises(AllocationError) as error:
        call_policy(Careless(name), state, "ours:Careless")

    assert re.fullmatch(
        r"policy 'ours:Careless', round 4: schedule\(\) raised ValueError: "
        r"assignment destination is read-only "
        r"\(test_plugins.py, line \d+\)",
        str(error.value),
    )


class Dividing(Policy):
    """A policy that divides by a number that has become 0."""

    def schedule(self, state: RoundState) -> Allocation:
        raise ZeroDivisionError("too extreme")


def test_an_arithmetic_error_passes_through_unchanged() -> None:
    state = paper_state(np.full(3, 1e-6))

    with pytest.raises(ZeroDivisionError):
        call_policy(Dividing(), state, "ours:Dividing")


def test_a_valid_allocation_passes_unchanged() -> None:
    state = replace(paper_state(np.full(3, 1e-6)), device=np.array([0, 2, 4]))

    for answer in (GOOD, Allocation.empty(), replace(GOOD, delay_s=np.float64(3.0))):
        assert validated(answer, state, "ours") is answer


def test_an_allocation_in_single_precision_becomes_float64() -> None:
    state = replace(paper_state(np.full(3, 1e-6)), device=np.array([0, 2, 4]))
    share_hz = (state.bandwidth_hz * np.array([1 / 7, 6 / 7])).astype(np.float32)
    answer = Allocation(np.array([4, 2]), share_hz, np.float32(0.25))

    valid = validated(answer, state, "ours")

    assert share_hz.sum(dtype=np.float64) > state.bandwidth_hz * (1 + 1e-9), "rounded upwards"
    assert valid.bandwidth_hz.dtype == np.float64
    assert (type(valid.delay_s), valid.delay_s) == (float, 0.25)
    assert validated(replace(answer, delay_s=np.int64(2)), state, "ours").delay_s == 2.0
    for delay_s in (np.float32(np.nan), np.float32(-1.0), "1", None):
        with pytest.raises(AllocationError, match="is not a finite number of seconds from 0 on"):
            validated(replace(answer, delay_s=delay_s), state, "ours")


def test_an_allocation_without_a_policy_is_that_of_step() -> None:
    state = replace(paper_state(np.full(3, 1e-6)), device=np.array([0, 2, 4]))

    with pytest.raises(AllocationError, match=r"^step\(\), round 1: device 1 is not among those"):
        validated(replace(GOOD, devices=np.array([1, 2])), state, "")
    with pytest.raises(AllocationError, match=r"^step\(\), round 1: the argument must be an"):
        validated(None, state, "")
