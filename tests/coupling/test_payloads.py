"""Payload sizes: the learner computes each size once per device and round."""

from collections.abc import Mapping

import numpy as np
import pytest

from coupling.simulation.payloads import EncodedSizes
from learner.base import Learner
from netsim.streams import Streams


class CountingLearner:
    """Leg sizes that depend on device and round, and a count of the calls."""

    leg_bits_of_all = Learner.leg_bits_of_all

    def __init__(self) -> None:
        self.calls = 0

    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        self.calls += 1
        return {"embedding": 1000 * round_number + device, "feature": 2, "gradient": 3}


def test_each_payload_is_requested_once_per_round() -> None:
    learner = CountingLearner()
    sizes = EncodedSizes(4, learner, Streams(1).subsets)  # type: ignore[arg-type]

    round_1 = [sizes.bits(1) for _ in range(3)]
    round_2 = sizes.bits(2)
    round_1_repeated = sizes.bits(1)

    assert learner.calls == 3 * 4
    expected = [1000, 1001, 1002, 1003]
    assert round_1[2]["embedding"].tolist() == round_1_repeated["embedding"].tolist() == expected
    assert round_2["embedding"].tolist() == [2000, 2001, 2002, 2003]
    assert np.array_equal(round_2["gradient"], np.full(4, 3.0))
    assert round_2["feature"].tolist() == pytest.approx([2.0] * 4)
