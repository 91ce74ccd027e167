"""Round record: the outcome of one round, given to policies and to every other observer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import Bool, Int
from numpy import ndarray

from netsim.scheduling.allocation import Allocation

TableRows = tuple[int, Mapping[str, object]]
"""A number of rows, and the values of each column: one value for all rows, or one per row."""


@final
@dataclass(frozen=True)
class RoundRecord:
    """Outcome of one round: the decision, the arrivals, costs, losses and table rows.

    N is the number of scheduled devices. Times are in simulated seconds, energies in joules. The
    objective and the losses have no unit.
    """

    round: int
    """Round number; rounds count from 1."""
    time_s: float
    """Simulated time at the end of the round."""
    allocation: Allocation
    """Decision of the policy."""
    scheduled: Int[ndarray, " N"]
    """Ids of the scheduled devices, in the order of the allocation."""
    arrived: Bool[ndarray, " N"]
    """Whether the update of each scheduled device arrived, in the same order."""
    delay_s: float
    """Delay (7) of the round."""
    objective: float
    """J of (22) at the delay of the round."""
    virtual_queue_s: float
    """Virtual queue after the round."""
    energy_j: float
    """Energy that all devices spent in the round."""
    train_loss: float | None
    """Mean training loss; None if no update arrived or nothing is trained."""
    evaluation: Mapping[str, float | None] | None
    """Columns of the ``evaluations`` table; None if the round was not evaluated."""
    tables: Mapping[str, Sequence[TableRows]]
    """Rows of the round by table, as the table writer takes them."""
