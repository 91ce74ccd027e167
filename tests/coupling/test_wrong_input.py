"""Wrong input: one error line per fault, exit status 2, and nothing written."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.command_line import LEARNER, NETWORK, Airtune, listing, set_arguments

import coupling
from coupling import Scenario, ScenarioError
from coupling.cli.app import main
from netsim.scheduling import POLICIES

RUN = ("run", "network.toml", "--no-learning", "--out", "out")


def refuse(airtune: Airtune, folder: Path, *arguments: str) -> str:
    """Return the one line of a command that is refused and writes nothing."""
    content = listing(folder)

    answer = airtune(*arguments)

    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    assert listing(folder) == content
    line = answer.err.removesuffix("\n")
    if arguments[0] == "run" and not line.startswith(("--out", "airtune: ")):
        given = arguments[1:]
        if "--out" in given:
            place = given.index("--out")
            given = given[:place] + given[place + 2 :]
        checked = airtune("validate", *given)
        assert (checked.status, checked.out, checked.err) == (2, "", answer.err)
    return line


VALUES = {
    # Zero, negative, NaN, infinite and out of bounds.
    "seed=-1": "seed = -1 is not at least 0",
    "rounds=0": "rounds = 0 is not at least 1",
    "rounds=-5": "rounds = -5 is not at least 1",
    "devices.count=0": "devices.count = 0 is not at least 1",
    "devices.count=1099511627777": "devices.count = 1099511627777 is not at most 1099511627776",
    "devices.count=-3": "devices.count = -3 is not at least 1",
    "devices.tx_power_w=0": "devices.tx_power_w = 0 is not greater than 0.0",
    "devices.tx_power_w=-1.0": "devices.tx_power_w = -1.0 is not greater than 0.0",
    "devices.energy.kappa=-1e-28": "devices.energy.kappa = -1e-28 is not at least 0.0",
    "devices.energy.receive_w=true": "devices.energy.receive_w = true is not a number",
    "devices.energy.idle_w=0.1": "devices.energy.idle_w is unknown; known here: receive_w, kappa",
    "devices.battery={}": "devices.battery.capacity_j is missing",
    "devices.battery={capacity_j=0}": "devices.battery.capacity_j = 0 is not greater than 0.0",
    "devices.battery={capacity_j=1, initial=[0, 1]}": (
        "devices.battery.initial[0] = 0 is not greater than 0.0"
    ),
    "devices.battery={capacity_j=1, initial=[0.5, 1.1]}": (
        "devices.battery.initial[1] = 1.1 is not at most 1.0"
    ),
    "devices.battery={capacity_j=1, initial=[1, 0.5]}": (
        "devices.battery.initial: the lower bound 1.0 exceeds the upper bound 0.5"
    ),
    "devices.battery={capacity_j=1, recharge_w=-1}": (
        "devices.battery.recharge_w = -1 is not at least 0.0"
    ),
    "devices.availability={kind='sometimes'}": (
        "devices.availability.kind = 'sometimes' is not one of 'always', 'markov', 'trace'"
    ),
    "devices.availability={mean_on_s=3}": (
        "devices.availability.kind is missing: one of 'always', 'markov', 'trace'"
    ),
    "devices.availability={kind='markov', mean_on_s=3}": (
        "devices.availability.mean_off_s is missing"
    ),
    "devices.availability={kind='markov', mean_on_s=0, mean_off_s=1}": (
        "devices.availability.mean_on_s = 0 is not greater than 0.0"
    ),
    "devices.availability={kind='trace'}": "devices.availability.path is missing",
    "devices.placement.radius_m=0.0": "devices.placement.radius_m = 0.0 is not greater than 0.0",
    "devices.placement.center_m=[nan, 0.0]": (
        "devices.placement.center_m[0] = nan is not a finite number"
    ),
    "cell.bandwidth_hz=0": "cell.bandwidth_hz = 0 is not greater than 0.0",
    "cell.bandwidth_hz=-10e6": "cell.bandwidth_hz = -10000000.0 is not greater than 0.0",
    "cell.bandwidth_hz=nan": "cell.bandwidth_hz = nan is not a finite number",
    "cell.bandwidth_hz=inf": "cell.bandwidth_hz = inf is not a finite number",
    "cell.noise_psd_w_per_hz=0": "cell.noise_psd_w_per_hz = 0 is not greater than 0.0",
    "cell.position_m=[inf, 0.0]": "cell.position_m[0] = inf is not a finite number",
    "channel.path_loss.exponent=0": "channel.path_loss.exponent = 0 is not greater than 0.0",
    "channel.path_loss.reference_m=-inf": (
        "channel.path_loss.reference_m = -inf is not a finite number"
    ),
    "protocol.payload_bit=0": (
        "protocol.payload_bit = 0 is not at least 1.0 and is not one of 'actual'"
    ),
    "protocol.payload_bit=nan": (
        "protocol.payload_bit = nan is not a finite number and is not one of 'actual'"
    ),
    "protocol.payload_bit=1e300": (
        "protocol.payload_bit = 1e+300 is not at most 9007199254740992.0 and is not one of 'actual'"
    ),
    "protocol.payload_bit=1.5": "protocol.payload_bit: 1.5 is not a whole number of bits",
    "scheduler.delay_budget_s_per_bit=0": (
        "scheduler.delay_budget_s_per_bit = 0 is not greater than 0.0"
    ),
    "scheduler.delay_budget_s_per_bit=nan": (
        "scheduler.delay_budget_s_per_bit = nan is not a finite number"
    ),
    "scheduler.queue_initial_budgets=-1": (
        "scheduler.queue_initial_budgets = -1 is not at least 0.0"
    ),
    "scheduler.queue_initial_budgets=inf": (
        "scheduler.queue_initial_budgets = inf is not a finite number"
    ),
    "scheduler.zeta.initial=0": "scheduler.zeta.initial = 0 is not greater than 0.0",
    "scheduler.zeta={kind='power', exponent=1}": "scheduler.zeta.exponent = 1 is not less than 1.0",
    "scheduler.zeta={kind='power', exponent=1.0}": (
        "scheduler.zeta.exponent = 1.0 is not less than 1.0"
    ),
    "scheduler.zeta={kind='power', exponent=-0.1}": (
        "scheduler.zeta.exponent = -0.1 is not at least 0.0"
    ),
    "scheduler.zeta={kind='power', exponent=nan}": (
        "scheduler.zeta.exponent = nan is not a finite number"
    ),
    # Another type.
    "seed=1.5": "seed = 1.5 is not a whole number",
    "seed=true": "seed = true is not a whole number",
    "seed='1'": "seed = '1' is not a whole number",
    "rounds=1e3": "rounds = 1000.0 is not a whole number",
    "rounds=[3]": "rounds = [3] is not a whole number",
    "rounds=2020-01-01": "rounds = 2020-01-01 is not a whole number",
    "devices.count='4'": "devices.count = '4' is not a whole number",
    "devices.count=nan": "devices.count = nan is not a whole number",
    "devices.tx_power_w=true": "devices.tx_power_w = true is not a number",
    "cell.bandwidth_hz='10 MHz'": "cell.bandwidth_hz = '10 MHz' is not a number",
    "cell.bandwidth_hz={value=1}": "cell.bandwidth_hz = {'value': 1} is not a number",
    "cell.position_m=3": "cell.position_m = 3 is not a list",
    "cell.position_m=['a', 0.0]": "cell.position_m[0] = 'a' is not a number",
    "cell.position_m=[1.0]": "cell.position_m[1] is missing",
    "cell.position_m=[1.0, 2.0, 3.0]": (
        "cell.position_m = [1.0, 2.0, 3.0] has too many entries: at most 2"
    ),
    "cell=true": "cell = true is not a table",
    "devices=[]": "devices = [] is not a table",
    "devices=[{count=3}]": "devices = [{'count': 3}] is not a table",
    "devices.placement='disc'": "devices.placement = 'disc' is not a table",
    "scheduler='greedy'": "scheduler = 'greedy' is not a table",
    "scheduler.kind=3": "scheduler.kind = 3 is not a string",
    "scheduler.kind={name='greedy'}": "scheduler.kind = {'name': 'greedy'} is not a string",
    "scheduler.kind=''": "scheduler.kind = '' has too few characters: at least 1",
    "scheduler.zeta=1.0": "scheduler.zeta = 1.0 is not a table",
    # Unknown names.
    "scheduler.kind=algorithm2": (
        f"scheduler.kind = 'algorithm2' is not one of {', '.join(POLICIES)}; did you mean "
        "algorithm1?"
    ),
    "scheduler.drift=half": "scheduler.drift = 'half' is not one of 'paper' or 'full'",
    "scheduler.queue_update='eq19'": (
        "scheduler.queue_update = 'eq19' is not one of 'eq18' or 'algorithm1'"
    ),
    "scheduler.zeta={kind='linear'}": (
        "scheduler.zeta.kind = 'linear' is not one of 'inverse_sqrt', 'constant', 'power'"
    ),
    "scheduler.zeta={kind='power'}": "scheduler.zeta.exponent is missing",
    "trace.devices=none": "trace.devices = 'none' is not one of 'all' or 'scheduled'",
    # Unknown keys, with the nearest known one.
    "devices.cuont=4": "devices.cuont is unknown; did you mean count?",
    "channel.path_loss.exponant=3": "channel.path_loss.exponant is unknown; did you mean exponent?",
    "devices.placement.radius=5": "devices.placement.radius is unknown; did you mean radius_m?",
    "scheduler.zeta.inital=2": "scheduler.zeta.inital is unknown; did you mean initial?",
    "scheduler.delay_budget=3": "scheduler.delay_budget is unknown; did you mean delay_budget_s?",
    "cel.bandwidth_hz=1e6": "cel is unknown; did you mean cell?",
    '"scheduler".kind=greedy': '"\\"scheduler\\"" is unknown; did you mean scheduler?',
    "protocol.payload_bit='a lot'": (
        "protocol.payload_bit = 'a lot' is not a number and is not one of 'actual'"
    ),
    "channel.coherence=-1": (
        "channel.coherence = -1 is not one of 'round' and is not greater than 0.0"
    ),
    # Keys that exclude or need each other.
    "scheduler={kind='exact'}": "scheduler: needs delay_budget_s or delay_budget_s_per_bit",
}


@pytest.mark.parametrize(("setting", "line"), VALUES.items(), ids=VALUES)
def test_a_wrong_value_ends_in_one_line_with_key_value_and_what_is_allowed(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    message = refuse(airtune, folder, *RUN, "--set", setting)

    assert message == f"network.toml: {line} (from --set)"


KINDS = {
    "devices.placement={kind='disk', radius_m=5.0}": (
        "devices.placement.kind = 'disk' is not one of 'disc'"
    ),
    "devices.availability={kind='trace', path='none.csv'}": "devices.availability.path: ",
    "devices.mobility={kind='dynamic'}": "devices.mobility.kind = 'dynamic' is not one of 'static'",
    "channel.path_loss={kind='power'}": (
        "channel.path_loss.kind = 'power' is not one of 'power_law'"
    ),
    "channel.path_loss.kind=true": "channel.path_loss.kind = true is not one of 'power_law'",
    "channel.fading={kind='rice'}": "channel.fading.kind = 'rice' is not one of 'none', 'rayleigh'",
    "channel.fading='rayleigh'": "channel.fading = 'rayleigh' is not a table",
    "channel.coherence='block'": "channel.coherence = 'block' is not",
    "protocol.kind='phase'": "protocol.kind = 'phase' is not one of 'aggregate'",
    "learning_rate=3": "learning_rate is unknown; did you mean learner?",
    "scheduler.colour=3": (
        "scheduler.colour is unknown; known here: kind, delay_budget_s, delay_budget_s_per_bit"
    ),
    "scheduler.zeta={initial=2.0, kind=[]}": (
        "scheduler.zeta.kind = [] is not one of 'inverse_sqrt'"
    ),
    "a b=3": '"a b" is unknown; known here: seed, rounds',
}


@pytest.mark.parametrize(("setting", "start"), KINDS.items(), ids=KINDS)
def test_an_unknown_kind_or_key_is_reported_with_the_known_ones(
    setting: str, start: str, folder: Path, airtune: Airtune
) -> None:
    message = refuse(airtune, folder, *RUN, "--set", setting)

    assert message.startswith(f"network.toml: {start}")
    assert message.endswith(" (from --set)")


ARGUMENTS = {
    "": "--set : is not key=value",
    "seed": "--set seed: is not key=value",
    "sed=": "--set sed=: there is no such key to remove",
    "=1": "--set : a key is names joined by dots, such as devices.count",
    "devices..count=3": (
        "--set devices..count: a key is names joined by dots, such as devices.count"
    ),
    "devices.=3": "--set devices.: a key is names joined by dots, such as devices.count",
    "seed=3 4": "--set seed=3 4: '3 4' is neither a TOML value nor a bare word",
    "seed=[": "--set seed=[: '[' is neither a TOML value nor a bare word",
    "seed=#3": "--set seed=#3: '#3' is neither a TOML value nor a bare word",
    "seed=3\nrounds=4": (
        "--set seed=3\\nrounds=4: '3\\nrounds=4' is neither a TOML value nor a bare word"
    ),
    "seed=" + "[" * 9999: None,
    "seed.x=1": "--set seed.x: seed is not a table",
    "devices.count.x.y=1": "--set devices.count.x.y: devices.count is not a table",
    "extends=base.toml": "--set extends: only a file can extend another one",
}


@pytest.mark.parametrize(("argument", "line"), ARGUMENTS.items(), ids=lambda value: str(value)[:30])
def test_a_set_that_is_not_key_and_value_is_reported_as_it_was_given(
    argument: str, line: str | None, folder: Path, airtune: Airtune
) -> None:
    message = refuse(airtune, folder, *RUN, "--set", argument)

    assert message.startswith("--set seed=[[[[") if line is None else message == line


FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "wrong.toml: seed is missing"),
    "not TOML": ("seed = = 1", "wrong.toml: is not TOML: Invalid value (at line 1, column 8)"),
    "JSON": ('{"seed": 1}', "wrong.toml: is not TOML: Invalid statement (at line 1, column 1)"),
    "a key twice": (
        "seed = 1\nseed = 2\n",
        "wrong.toml: is not TOML: Cannot overwrite a value (at line 2, column 9)",
    ),
    "binary": (bytes(range(256)), "wrong.toml: is not TOML: not UTF-8 text"),
    "UTF-16": (NETWORK.encode("utf-16"), "wrong.toml: is not TOML: not UTF-8 text"),
    "deep": ("a = " + "[" * 9999, "wrong.toml: is nested too deeply"),
    "deep tables": (".".join("a" * 1100) + " = 1", "wrong.toml: is nested too deeply"),
    "no scheduler": (NETWORK[: NETWORK.index("[scheduler]")], "wrong.toml: scheduler is missing"),
    "no policy": (
        NETWORK.replace('kind = "algorithm1"', ""),
        "wrong.toml: scheduler.kind is missing",
    ),
    "no placement": (
        "\n".join(line for line in NETWORK.splitlines() if not line.startswith("placement")),
        "wrong.toml: devices.placement is missing",
    ),
    "no budget": (
        NETWORK.replace("delay_budget_s_per_bit = 1e-6", ""),
        "wrong.toml: scheduler: needs delay_budget_s or delay_budget_s_per_bit",
    ),
    "both budgets": (
        NETWORK + "delay_budget_s = 50.0\n",
        "wrong.toml: scheduler: delay_budget_s and delay_budget_s_per_bit exclude each other; "
        "keep one",
    ),
    "computing energy without a clock": (
        NETWORK.replace("[devices]", "[devices]\nenergy = { kappa = 1e-28 }"),
        "wrong.toml: devices: energy.kappa needs compute, whose speed is the f of kappa f^2",
    ),
    "an array of tables": (
        NETWORK.replace("[cell]", "[[cell]]"),
        "wrong.toml: cell = [{'bandwidth_hz': 10000000.0, 'noise_psd_w_per_hz': 1e-11}] is not a "
        "table",
    ),
    # The list of known keys grows with the program, so only its beginning is compared.
    "a key with a line break": (
        NETWORK + '"a.b\\nc" = 3\n',
        'wrong.toml: scheduler."a.b\\nc" is unknown; known here: kind, delay_budget_s, ...',
    ),
    "an empty key": (
        NETWORK + '"" = 3\n',
        'wrong.toml: scheduler."" is unknown; known here: kind, ...',
    ),
    "a fading without kind": (
        NETWORK.replace('{ kind = "rayleigh" }', "{}"),
        "wrong.toml: channel.fading.kind is missing: one of ...",
    ),
    "a zeta without kind": (
        NETWORK.replace('kind = "inverse_sqrt", ', ""),
        "wrong.toml: scheduler.zeta.kind is missing: one of 'constant', 'inverse_sqrt', 'power'",
    ),
    "line 19 without an objective": (
        NETWORK.replace('"algorithm1"', '"greedy"') + 'queue_update = "algorithm1"\n',
        "wrong.toml: scheduler.queue_update = 'algorithm1' requires a policy with an `objective` "
        "option; 'greedy' has none",
    ),
    "extends itself": (
        'extends = "wrong.toml"',
        "wrong.toml: extends = 'wrong.toml' leads back to a file already read",
    ),
    "extends in a circle": (
        'extends = "back.toml"',
        "back.toml: extends = 'wrong.toml' leads back to a file already read",
    ),
    "extends nothing": (
        'extends = "absent.toml"',
        "wrong.toml: extends = 'absent.toml': absent.toml: cannot be read: no such file or "
        "directory",
    ),
    "extends a directory": (
        'extends = "."',
        "wrong.toml: extends = '.': .: cannot be read: is a directory",
    ),
    "extends a number": ("extends = 3", "wrong.toml: extends = 3 is not a file name"),
    "extends a list": ('extends = ["a"]', "wrong.toml: extends = ['a'] is not a file name"),
    "extends a table": (
        "extends = { path = 1 }",
        "wrong.toml: extends = {'path': 1} is not a file name",
    ),
    "extends an empty name": ('extends = ""', "wrong.toml: extends = '' is not a file name"),
    "extends a name with NUL": (
        'extends = "a\\u0000"',
        "wrong.toml: extends = 'a\\x00' is not a file name",
    ),
    "extends what is not TOML": (
        'extends = "broken.toml"',
        "broken.toml: is not TOML: Invalid value (at end of document)",
    ),
    "extends a wrong value": (
        'extends = "zero.toml"',
        "zero.toml: devices.count = 0 is not at least 1",
    ),
}


@pytest.mark.parametrize(("content", "line"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_reported_with_the_file_that_holds_the_fault(
    content: str | bytes, line: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "wrong.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "back.toml").write_text('extends = "wrong.toml"')
    (folder / "broken.toml").write_text("seed =")
    (folder / "zero.toml").write_text(NETWORK.replace("count = 4", "count = 0"))

    message = refuse(airtune, folder, "run", "wrong.toml", "--no-learning", "--out", "out")

    if line.endswith("..."):
        assert message.startswith(line.removesuffix("..."))
    else:
        assert message == line
    assert refuse(airtune, folder, "validate", "wrong.toml") == message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.toml", "no such file or directory"),
        ("below", "is a directory"),
        (".", "is a directory"),
        ("circle.toml", "too many levels of symbolic links"),
        ("network.toml/below.toml", "not a directory"),
        ("a" * 300, "file name too long"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_reported_with_the_reason(
    name: str, reason: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "below").mkdir()
    (folder / "circle.toml").symlink_to("circle.toml")

    message = refuse(airtune, folder, "run", name, "--no-learning", "--out", "out")

    assert message == f"{name}: cannot be read: {reason}"


def test_a_file_name_with_a_line_break_still_makes_one_line(folder: Path, airtune: Airtune) -> None:
    message = refuse(airtune, folder, "run", "two\nlines.toml")

    assert message == r"two\nlines.toml: cannot be read: no such file or directory"


LEARNING = {
    "learner=3": "learner = 3 is not a table (from --set)",
    "learner.model=3": "learner.model = 3 is not a string (from --set)",
    "learner.model=''": "learner.model = '' has too few characters: at least 1 (from --set)",
    "learner.pooling=max": (
        "learner.pooling = 'max' is not one of 'pooler', 'cls', 'mean' or 'cls_mean' (from --set)"
    ),
    "learner.lora.rank=0": "learner.lora.rank = 0 is not at least 1 (from --set)",
    "learner.lora.alpha=inf": "learner.lora.alpha = inf is not a finite number (from --set)",
    "learner.lora.targets=[]": (
        "learner.lora.targets = [] has too few entries: at least 1 (from --set)"
    ),
    "learner.lora.frozen=1": "learner.lora.frozen = 1 is neither true nor false (from --set)",
    "learner.optimizer={kind='adam', lr=1}": (
        "learner.optimizer.kind = 'adam' is not one of 'sgd', 'adamw' (from --set)"
    ),
    "learner.optimizer.lr=0": "learner.optimizer.lr = 0 is not greater than 0.0 (from --set)",
    "learner.optimizer.lr=nan": "learner.optimizer.lr = nan is not a finite number (from --set)",
    "learner.optimizer.beta1=0.5": (
        "learner.optimizer.beta1 is unknown; known here: lr, schedule, clip_norm, kind, momentum "
        "(from --set)"
    ),
    "learner.head_optimizer={kind='x'}": (
        "learner.head_optimizer.kind = 'x' is not one of 'sgd', 'adamw' (from --set)"
    ),
    "learner.head_optimizer.lr=1.0": (
        "learner.head_optimizer.kind is missing: one of 'adamw', 'sgd' (from --set)"
    ),
    "learner.batch_size=0": "learner.batch_size = 0 is not at least 1 (from --set)",
    "learner.evaluate_every=2.5": "learner.evaluate_every = 2.5 is not a whole number (from --set)",
    "learner.batchsize=3": "learner.batchsize is unknown; did you mean batch_size? (from --set)",
    "learner.data.share=0": "learner.data.share = 0 is not greater than 0.0 (from --set)",
    "learner.data.share=1.5": "learner.data.share = 1.5 is not at most 1.0 (from --set)",
    "learner.data.share=0.5": (
        "learner.data.share = 0.5 for each of devices.count = 4 devices exceeds the data; "
        "at most 1 / count, or overlap = true (from --set)"
    ),
    "learner.data={name='sst2',path='x'}": (
        "learner.data: name and path exclude each other; keep one (from --set)"
    ),
}


@pytest.mark.parametrize(("setting", "line"), LEARNING.items(), ids=LEARNING)
def test_a_wrong_learner_is_reported_even_where_nothing_is_learned(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    message = refuse(
        airtune, folder, "run", "learning.toml", "--no-learning", "--out", "out", "--set", setting
    )

    assert message == f"learning.toml: {line}"


FEDAVG = "protocol={kind='fedavg_lora', payload_bit=14_548_992}"
FEDERATED = {
    "learner.codec.default.kind=int8": (
        "learner.codec is for a split step, and protocol.kind = 'fedavg_lora' has none"
    ),
    "protocol.local_steps=0": "protocol.local_steps = 0 is not at least 1",
    "protocol.local_steps=1.5": "protocol.local_steps = 1.5 is not a whole number",
    "protocol.payload_bit=0": (
        "protocol.payload_bit = 0 is not at least 1.0 and is not one of 'actual'"
    ),
    "protocol.payload_bit={embedding=1}": (
        "protocol.payload_bit = {'embedding': 1} is not a number and is not one of 'actual'"
    ),
    "protocol.operations.local_step=-1": "protocol.operations.local_step = -1 is not at least 0.0",
    "protocol.operations.encode=1": "protocol.operations.encode is unknown; known here: local_step",
    "protocol.steps=2": "protocol.steps is unknown; did you mean local_steps?",
    "cell.server_tx_power_w=20.0": (
        "cell.downlink_bandwidth_hz and cell.server_tx_power_w need each other"
    ),
    "cell.downlink_bandwidth_hz=1e6": (
        "cell.downlink_bandwidth_hz and cell.server_tx_power_w need each other"
    ),
    "learner.local_batches=2": (
        "learner.local_batches = 2 is not 1: with protocol.kind = 'fedavg_lora' "
        "protocol.local_steps sets the number of minibatches per device"
    ),
    "learner.lora.frozen=true": "protocol.kind = 'fedavg_lora' needs learner.lora.frozen = false",
    "protocol.payload_bit=actual": (
        "protocol.payload_bit = 'actual' needs scheduler.delay_budget_s, not "
        "scheduler.delay_budget_s_per_bit"
    ),
}


@pytest.mark.parametrize(("setting", "line"), FEDERATED.items(), ids=FEDERATED)
def test_a_setting_that_federated_averaging_excludes_is_reported(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    settings = set_arguments([FEDAVG, setting])

    message = refuse(
        airtune, folder, "run", "learning.toml", "--no-learning", "--out", "out", *settings
    )

    assert message.removesuffix(" (from --set)") == f"learning.toml: {line}"


CENTRALISED = "protocol={kind='centralised', payload_bit=1_000_000}"
ON_THE_SERVER = {
    "learner.codec.default.kind=int8": (
        "learner.codec is for a split step, and protocol.kind = 'centralised' has none"
    ),
    "protocol.payload_bit=1.5": "protocol.payload_bit: 1.5 is not a whole number of bits",
    "protocol.local_steps=2": (
        "protocol.local_steps is unknown; known here: kind, outage, reallocate, deadline_s, "
        "payload_bit, operations"
    ),
    "protocol.operations.step=-1": "protocol.operations.step = -1 is not at least 0.0",
    "protocol.deadline_s=0": "protocol.deadline_s = 0 is not greater than 0.0",
    "learner.local_batches=3": (
        "learner.local_batches = 3 is not 1: with protocol.kind = 'centralised' the server takes "
        "one minibatch per round"
    ),
    "protocol.payload_bit=actual": (
        "protocol.payload_bit = 'actual' needs scheduler.delay_budget_s, not "
        "scheduler.delay_budget_s_per_bit"
    ),
}


@pytest.mark.parametrize(("setting", "line"), ON_THE_SERVER.items(), ids=ON_THE_SERVER)
def test_a_setting_that_centralised_training_excludes_is_reported(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    settings = set_arguments([CENTRALISED, setting])

    message = refuse(
        airtune, folder, "run", "learning.toml", "--no-learning", "--out", "out", *settings
    )

    assert message.removesuffix(" (from --set)") == f"learning.toml: {line}"


ABSENT = {
    "learner.data.name=imdb": (
        "learner.data: name = 'imdb' is neither a hub id, as owner/name, nor one of: movie"
    ),
    "learner.model=./absent": "learner.model: './absent' is not a directory",
    "learner.data={name='cifar10'}": (
        "learner.data: the samples are images, and the model reads text"
    ),
    "learner.batch_size=100000": "learner.batch_size: 100000 is more than the 30 training samples",
    "learner.data.share=0.001": (
        "learner.data.share: 0.001 of 120 training samples is less than one sample"
    ),
    "learner.data.test_size=41": "learner.data.test_size: 41 is more than the 40 test samples",
    "learner.data.path=absent": "learner.data.path: '{folder}/absent' is not a directory",
    "learner.lora.targets=['value', 'door']": "learner.lora.targets: 'door' is no linear module",
    "learner.max_tokens=41": "learner.max_tokens: 41 is more than the 40 positions of",
    "devices.count=200": (
        "learner.data.share: the default, 1 / 200, of 120 training samples is less than one"
    ),
}


@pytest.mark.parametrize(("setting", "start"), ABSENT.items(), ids=ABSENT)
def test_a_missing_model_or_data_set_is_reported_before_any_write(
    setting: str, start: str, folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    content = NETWORK + tiny_learner
    if "data={" in setting or "data.name" in setting:
        content = content[: content.index("data = ")] + 'data = { name = "movie_reviews" }\n'
    (folder / "tiny.toml").write_text(content)

    message = refuse(airtune, folder, "run", "tiny.toml", "--out", "out", "--set", setting)

    assert message.startswith(f"tiny.toml: {start.format(folder=folder)}")


def test_more_devices_than_memory_holds_are_refused(folder: Path, airtune: Airtune) -> None:
    message = refuse(airtune, folder, *RUN, "--set", "devices.count=1000000000000")

    assert message == (
        "network.toml: devices.count: 1000000000000 devices do not fit into memory (from --set)"
    )


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("full", "--out full: is not empty; name a new directory"),
        (".", "--out .: is not empty; name a new directory"),
        ("network.toml", "--out network.toml: is a file; name a new directory"),
        ("network.toml/out", "--out network.toml/out: cannot be written: not a directory"),
        ("network.toml/a/b", "--out network.toml/a/b: cannot be written: not a directory"),
        ("/proc/airtune", "--out /proc/airtune: cannot be written: no such file or directory"),
        (
            "dangling",
            "--out dangling: is a link to nowhere/at/all, which does not exist; name a directory",
        ),
        ("a" * 300, f"--out {'a' * 300}: cannot be used: file name too long"),
    ],
)
def test_an_unusable_run_directory_is_reported_and_not_changed(
    out: str, line: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "precious").write_text("notes")
    (folder / "dangling").symlink_to("nowhere/at/all")

    assert refuse(airtune, folder, "run", "network.toml", "--no-learning", "--out", out) == line


def test_a_run_directory_that_is_taken_is_reported_before_any_warning(
    folder: Path, airtune: Airtune
) -> None:
    setting = ("--set", "scheduler.queue_update=algorithm1")

    message = refuse(
        airtune, folder, "run", "network.toml", "--no-learning", "--out", ".", *setting
    )

    assert message == "--out .: is not empty; name a new directory"


def test_a_run_from_python_is_refused_as_well(folder: Path) -> None:
    content = listing(folder)

    with pytest.raises(ScenarioError, match=r"^--out .*: is not empty; name a new directory$"):
        coupling.run(Scenario.load("network.toml"), folder, learning=False)

    assert listing(folder) == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("out", ["locked", "locked/out"])
def test_a_run_directory_without_permission_is_reported(
    out: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "locked").mkdir(mode=0o500)

    message = refuse(airtune, folder, "run", "network.toml", "--no-learning", "--out", out)

    assert message.endswith(f"{out}: cannot be written: permission denied")


def test_the_default_run_directory_must_be_possible_too(folder: Path, airtune: Airtune) -> None:
    (folder / "runs").write_text("a file")

    message = refuse(airtune, folder, "run", "network.toml", "--no-learning")

    assert message == "--out runs/network-1: cannot be written: not a directory"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rnu", "network.toml"], "airtune: No such command 'rnu'. Did you mean 'run'?"),
        (["run", "network.toml", "--ot", "x"], "airtune: No such option: --ot"),
        (["run"], "airtune: Missing argument 'SCENARIO'."),
        (
            ["run", "network.toml", "learning.toml"],
            "airtune: Got unexpected extra argument(s) (learning.toml)",
        ),
        (["run", "network.toml", "--set"], "airtune: Option '--set' requires an argument."),
        (["validate", "network.toml", "--out", "x"], "airtune: No such option: --out"),
        (["schema", "network.toml"], "airtune: Got unexpected extra argument(s) (network.toml)"),
        (["--loud"], "airtune: No such option: --loud"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_reported_without_usage_text(
    arguments: list[str], line: str, folder: Path, airtune: Airtune
) -> None:
    assert refuse(airtune, folder, *arguments).startswith(line)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "network.toml", "--no-learning", "--set", "devices.count=0"],
        ["walk"],
    ],
    ids=" ".join,
)
def test_the_installed_command_prints_the_text_of_its_entry_point(
    arguments: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = listing(folder)
    code = "import sys; from coupling.cli import main; sys.exit(main())"

    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
    )

    assert (process.returncode, process.stdout) == (2, "")
    main(arguments)
    assert process.stderr == capfd.readouterr().err
    assert listing(folder) == content


STRANGE: list[Any] = [
    0,
    -1,
    1,
    10**30,
    0.0,
    -1.5,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    True,
    "",
    "x",
    "1",
]
STRANGE += [[], [1], [[]], {}, {"kind": "x"}, {"kind": {}}, {"x": 1}]


def keys(table: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the names of all tables and keys of a scenario."""
    names = []
    for key, value in table.items():
        names.append(prefix + key)
        names += keys(value, f"{prefix}{key}.") if isinstance(value, dict) else []
    return names


@pytest.mark.parametrize("key", keys(tomllib.loads(NETWORK + LEARNER)))
def test_any_value_is_accepted_or_refused_in_one_line_with_its_key(
    key: str, folder: Path, airtune: Airtune
) -> None:
    refusals = 0
    for value in STRANGE:
        text = str(value).lower() if isinstance(value, bool | float) else toml(value)

        settings = set_arguments(["rounds=1", f"{key}={text}"])
        answer = airtune("validate", "learning.toml", "--no-learning", *settings)

        # A number that is allowed and absurd fails in the first round.
        assert answer.status in (0, 1, 2), (key, value)
        assert answer.status != 1 or "round 1: " in answer.err, (key, value, answer.err)
        if answer.status == 2:
            refusals += 1
            assert answer.err.startswith("learning.toml: "), (key, value, answer.err)
            assert answer.err.count("\n") == 1
            assert key.partition(".")[0] in answer.err, (key, value, answer.err)
    assert refusals >= len(STRANGE) / 3


def toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(entry)}" for key, entry in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else repr(value)
