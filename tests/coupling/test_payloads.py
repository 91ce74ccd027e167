"""What the learner's payloads have in bits is asked once a round, and never twice for a device."""

import numpy as np
import pytest

from coupling.simulation.payloads import EncodedSizes


class Counting:
    """Payloads that tell device and round, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def payload(self, device: int, round_number: int) -> tuple[int, int, int]:
        self.asked += 1
        return 1000 * round_number + device, 2, 3


def test_a_round_asks_for_every_payload_once() -> None:
    learning = Counting()
    bits = EncodedSizes(4, learning)  # type: ignore[arg-type]

    first = [bits.of(1) for _ in range(3)]
    second = bits.of(2)
    again = bits.of(1)

    assert learning.asked == 3 * 4
    assert first[2].embedding.tolist() == again.embedding.tolist() == [1000, 1001, 1002, 1003]
    assert second.embedding.tolist() == [2000, 2001, 2002, 2003]
    assert np.array_equal(second.gradient, np.full(4, 3.0))
    assert second.feature.tolist() == pytest.approx([2.0] * 4)
