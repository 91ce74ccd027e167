"""Walk-through: a protocol with a fourth leg, written in one file outside the tree."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import NETWORK

import analysis
import coupling
from analysis.timeline import timeline
from coupling import Scenario
from netsim.link import rate

PROTOCOL = '''
"""Split step with acknowledgement: the server confirms every gradient."""

from typing import Literal

from coupling.scenario import RadioProtocolTable
from coupling.scenario.tables import ScenarioTable
from coupling.simulation.payloads import FixedSizes
from coupling.simulation.protocols.exchange import Send
from coupling.simulation.protocols.exchange_protocol import ExchangeProtocol
from coupling.simulation.protocols.split_step import SPLIT_STEP
from netsim.cell import DOWNLINK
from netsim.parameters import Bits

CONFIRMED_STEP = (*SPLIT_STEP[:-1], Send("acknowledgement", DOWNLINK), SPLIT_STEP[-1])


class FourLegs(ScenarioTable):
    """Bits of each leg."""

    embedding: Bits
    feature: Bits
    gradient: Bits
    acknowledgement: Bits


class ConfirmedTable(RadioProtocolTable):
    """Split step whose gradient is confirmed."""

    payload_bit: FourLegs

    @property
    def fixed_bits(self):
        return sum(self.payload_bit.model_dump().values())

    def check(self, cell, channel, learner):
        if cell.downlink_bandwidth_hz is None:
            raise ValueError("protocol.kind = 'confirmed:ConfirmedTable' needs a downlink")

    def build(self, env, *, cell, devices, streams, learner):
        return ExchangeProtocol(
            env,
            CONFIRMED_STEP,
            FixedSizes(devices.count, self.payload_bit.model_dump()),
            cell=cell,
            devices=devices,
            streams=streams,
            learner=learner,
            deadline_s=self.deadline_s,
        )
'''
CELL = """
[cell]
downlink_bandwidth_hz = 5e6
server_tx_power_w = 20.0
"""
TABLE = """
[protocol]
kind = "confirmed:ConfirmedTable"
payload_bit.embedding = 40_000_000
payload_bit.feature = 3_000_000
payload_bit.gradient = 1_000_000
payload_bit.acknowledgement = 1_000
"""


@pytest.fixture
def confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenario]:
    """Return a scenario with the protocol, which lies beside the scenario file."""
    (tmp_path / "confirmed.py").write_text(PROTOCOL)
    (tmp_path / "network.toml").write_text(NETWORK)
    text = f'extends = "network.toml"\n{CELL}{TABLE}'
    (tmp_path / "own.toml").write_text(text)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield Scenario.load(tmp_path / "own.toml")
    sys.modules.pop("confirmed", None)


def test_the_fourth_leg_is_sent_and_timed(confirmed: Scenario, tmp_path: Path) -> None:
    run = analysis.load(coupling.run(confirmed, tmp_path / "run"))

    legs = run.transfers.groupby(["round", "device"]).leg.agg(list)
    assert legs.map(
        lambda leg: leg == ["embedding", "feature", "gradient", "acknowledgement"]
    ).all()
    last = run.transfers[run.transfers.leg == "acknowledgement"]
    assert len(last)
    # By hand: the share of the downlink and of the server's power is that of the uplink.
    joined = last.merge(run.devices, on=["round", "device"], suffixes=("", "_uplink"))
    fraction = joined.bandwidth_hz_uplink / 10e6
    expected_bps = rate(fraction * 5e6, joined.gain, 1e-11, tx_power_w=fraction * 20.0)
    duration_s = joined.end_s - joined.start_s
    assert duration_s.to_numpy() == pytest.approx(1_000 / expected_bps)
    assert (run.devices.delay_s.dropna() > 0).all()


def test_the_timeline_and_resume_know_the_fourth_leg(confirmed: Scenario, tmp_path: Path) -> None:
    rounds: list[int] = []
    with pytest.raises(Exception, match="interrupted after round 2"):
        coupling.run(
            confirmed,
            tmp_path / "stopped",
            on_round=lambda record: rounds.append(record.round),
            stop=lambda: len(rounds) == 2,
        )
    coupling.resume(tmp_path / "stopped")
    whole = analysis.load(coupling.run(confirmed, tmp_path / "whole"))
    resumed = analysis.load(tmp_path / "stopped")

    assert resumed.transfers.equals(whole.transfers)
    names = {event["name"] for event in timeline(whole)["traceEvents"]}
    assert any("acknowledgement" in name for name in names)
