"""Schema of the tables of a run directory: name, type, unit and meaning of every column."""

from dataclasses import dataclass
from typing import Final, final

import pyarrow as pa

SCHEMA_VERSION: Final = "2"
"""Version of run directories; rises when a column or a key changes its meaning or its name."""

_INT: Final = pa.int64()
_REAL: Final = pa.float64()
_TEXT: Final = pa.string()
_FLAG: Final = pa.bool_()


@final
@dataclass(frozen=True)
class Column:
    """Column of a table; null means not applicable or not yet, in nullable columns only."""

    name: str
    type: pa.DataType
    unit: str
    description: str
    nullable: bool = False

    def field(self) -> pa.Field:
        """Return the Parquet field with unit and description in its metadata."""
        metadata = {"unit": self.unit, "description": self.description}
        return pa.field(self.name, self.type, self.nullable, metadata)


_ROUND: Final = Column("round", _INT, "1", "Round, from 1.")
_DEVICE: Final = Column("device", _INT, "1", "Device, from 0.")

TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "rounds": (
        _ROUND,
        Column("start_s", _REAL, "s", "Simulated time at which the round starts."),
        Column("end_s", _REAL, "s", "Simulated time at which the round ends."),
        Column(
            "air_time_s",
            _REAL,
            "s",
            "Time on air up to the end of the round: the sum of D(t).",
        ),
        Column("scheduled", _INT, "1", "Devices chosen by the policy, N."),
        Column("arrived", _INT, "1", "Devices whose last uplink leg was delivered in time."),
        Column("delay_predicted_s", _REAL, "s", "Delay that the policy predicted."),
        Column(
            "delay_s",
            _REAL,
            "s",
            "Realised delay D(t): the longest time on air of a scheduled device.",
        ),
        Column("delay_budget_s", _REAL, "s", "Mean delay that the constraint (8) allows."),
        Column("virtual_queue_before_s", _REAL, "s", "Virtual queue before the round."),
        Column("virtual_queue_s", _REAL, "s", "Virtual queue after the round."),
        Column(
            "objective",
            _REAL,
            "1",
            "J of (22) at the realised delay, with the queue before the round.",
        ),
        Column(
            "train_loss",
            _REAL,
            "nat",
            "Mean loss of the devices that trained; null if none did.",
            True,
        ),
        Column(
            "panel_loss",
            _REAL,
            "nat",
            "Loss on the panel of training samples after the round; null without an evaluation.",
            True,
        ),
        Column("energy_j", _REAL, "J", "Energy of all devices: sending, receiving, computing."),
        Column("policy_wall_s", _REAL, "s", "Wall-clock time of the policy's decision."),
        Column(
            "learner_wall_s",
            _REAL,
            "s",
            "Wall-clock time of the learner's steps, without evaluation.",
        ),
    ),
    "decisions": (
        _ROUND,
        Column("scheduled", _INT, "1", "Devices chosen by the policy, N."),
        Column(
            "objective_predicted",
            _REAL,
            "1",
            "J of (22) at the predicted delay: -penalty - zeta drift.",
        ),
        Column("objective", _REAL, "1", "J at the realised delay."),
        Column("penalty", _REAL, "1", "-N: what drift-plus-penalty trades against the drift."),
        Column(
            "drift",
            _REAL,
            "1",
            "Q D / budget^2 at the predicted delay; with the full drift + D^2 / 2.",
        ),
        Column("zeta", _REAL, "1", "Control parameter zeta(t)."),
        Column("virtual_queue_before_s", _REAL, "s", "Virtual queue before the round."),
        Column("virtual_queue_s", _REAL, "s", "Virtual queue after the round."),
        Column("delay_predicted_s", _REAL, "s", "Delay that the policy predicted."),
        Column("delay_s", _REAL, "s", "Realised delay."),
        Column(
            "optimum_scheduled", _INT, "1", "N of the optimum of P1; null unless diagnosed.", True
        ),
        Column(
            "optimum_objective", _REAL, "1", "J of the optimum of P1; null unless diagnosed.", True
        ),
        Column(
            "objective_bound",
            _REAL,
            "1",
            "No set has a larger J; null if the policy proves none.",
            True,
        ),
        Column(
            "iterations",
            _INT,
            "1",
            "Iterations of the solver; null if the policy counts none.",
            True,
        ),
        Column(
            "band_residual",
            _REAL,
            "1",
            "|sum of shares - B| / B; null without scheduled devices.",
            True,
        ),
        Column("policy_wall_s", _REAL, "s", "Wall-clock time of the policy's decision."),
    ),
    "devices": (
        _ROUND,
        _DEVICE,
        Column("x_m", _REAL, "m", "Position at the round's start."),
        Column("y_m", _REAL, "m", "Position at the round's start."),
        Column("distance_m", _REAL, "m", "Distance to the server at the round's start."),
        Column("gain", _REAL, "1", "Power gain |h|^2 at the round's start: path loss and fading."),
        Column(
            "gain_known",
            _REAL,
            "1",
            "Gain that the policy was shown; null where it is the true one.",
            True,
        ),
        Column("available", _FLAG, "", "Whether the device was offered to the policy."),
        Column(
            "battery_j", _REAL, "J", "Charge at the round's start; null without a battery.", True
        ),
        Column("scheduled", _FLAG, "", "Whether the policy chose the device."),
        Column(
            "marginal_objective",
            _REAL,
            "1",
            "Change of J if it joined; null unless diagnosed.",
            True,
        ),
        Column("bandwidth_hz", _REAL, "Hz", "Uplink bandwidth; null if not scheduled.", True),
        Column(
            "rate_bps",
            _REAL,
            "bit/s",
            "Uplink bits over uplink air time; null if not scheduled.",
            True,
        ),
        Column("bits", _INT, "bit", "Bits offered to the uplink; null if not scheduled.", True),
        Column("delay_s", _REAL, "s", "Time on air; null if not scheduled.", True),
        Column(
            "energy_j",
            _REAL,
            "J",
            "Energy of the device in the round; null if not scheduled.",
            True,
        ),
        Column(
            "transmit_j",
            _REAL,
            "J",
            "Of it for sending, lost bits included; null if not scheduled.",
            True,
        ),
        Column("receive_j", _REAL, "J", "Of it for receiving; null without phases.", True),
        Column(
            "compute_j", _REAL, "J", "Of it for the device's own steps; null without phases.", True
        ),
        Column(
            "compute_s",
            _REAL,
            "s",
            "Service times, the server's included; null without phases.",
            True,
        ),
        Column("wait_s", _REAL, "s", "Time in the server's queue; null without phases.", True),
        Column(
            "tx_power_w",
            _REAL,
            "W",
            "Mean transmit power while sending; null if nothing was sent.",
            True,
        ),
        Column(
            "loss",
            _REAL,
            "nat",
            "Mean loss of the device's minibatch; null if it did not train.",
            True,
        ),
    ),
    "transfers": (
        _ROUND,
        _DEVICE,
        Column(
            "leg",
            _TEXT,
            "",
            "Leg: payload, embedding, feature, gradient, adapter, data, or a plug-in's.",
        ),
        Column("direction", _TEXT, "", "uplink or downlink."),
        Column("bits", _INT, "bit", "Bits offered."),
        Column(
            "bits_delivered",
            _INT,
            "bit",
            "Bits that were sent, in full ones; all of them if delivered.",
        ),
        Column("start_s", _REAL, "s", "Simulated time of the first bit."),
        Column("end_s", _REAL, "s", "Simulated time at which the transfer ended."),
        Column("bandwidth_hz", _REAL, "Hz", "Bandwidth at the start."),
        Column(
            "rate_bps", _REAL, "bit/s", "Mean rate over the leg; null where it took no time.", True
        ),
        Column("energy_j", _REAL, "J", "What the device spent on sending or receiving it."),
        Column(
            "status",
            _TEXT,
            "",
            "delivered, lost (outage), late (deadline), aborted (device left or ran empty).",
        ),
        Column(
            "spectral_efficiency",
            _REAL,
            "bit/s/Hz",
            "Rate over used bandwidth, mean while on air; null if nothing was on air.",
            True,
        ),
        Column(
            "modulation",
            _REAL,
            "bit",
            "Modulation order, mean while on air; null under a link without schemes.",
            True,
        ),
        Column(
            "retransmissions",
            _REAL,
            "1",
            "Mean retransmissions of a transport block; null under a link without schemes.",
            True,
        ),
        Column(
            "resource_blocks",
            _REAL,
            "1",
            "Resource blocks in use, mean while on air; null without blocks.",
            True,
        ),
    ),
    "shares": (
        _DEVICE,
        Column(
            "label",
            _INT,
            "1",
            "Class of the samples; null where shares of all classes may overlap.",
            True,
        ),
        Column("samples", _INT, "1", "Training samples of this class that the device holds."),
    ),
    "evaluations": (
        Column(
            "round",
            _INT,
            "1",
            "Round after which the test set was evaluated; 0 is before training.",
        ),
        Column("time_s", _REAL, "s", "Simulated time of the evaluation."),
        Column(
            "air_time_s",
            _REAL,
            "s",
            "Time on air up to the evaluation: the sum of D(t) of the rounds before it.",
        ),
        Column("loss", _REAL, "nat", "Test loss, mean over the devices' heads."),
        Column("accuracy", _REAL, "1", "Test accuracy, mean over all devices' heads."),
        Column(
            "accuracy_trained",
            _REAL,
            "1",
            "Mean over the heads trained at least once; null before the first.",
            True,
        ),
        Column("accuracy_min", _REAL, "1", "Test accuracy of the worst head."),
        Column("accuracy_max", _REAL, "1", "Test accuracy of the best head."),
        Column("heads_trained", _INT, "1", "Heads trained at least once."),
    ),
}

WALL_CLOCK: Final = frozenset({"policy_wall_s", "learner_wall_s"})
"""The only columns in which two runs of one scenario and seed on one machine may differ."""


def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; the schema version is in its metadata."""
    fields = [column.field() for column in TABLES[table]]
    return pa.schema(fields, metadata={"airtune.schema": SCHEMA_VERSION, "airtune.table": table})
