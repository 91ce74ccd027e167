"""Scripted policy: its number of devices per round."""

import numpy as np
import pytest

from netsim.scheduling import RoundState
from reproduction.ordered import Ordered


def state(round_number: int) -> RoundState:
    return RoundState(
        round=round_number,
        gain=np.full(20, 1e-5),
        bits=np.full(20, 1e6),
        tx_power_w=np.ones(20),
        bandwidth_hz=1e7,
        noise_psd=1e-11,
        delay_budget_s=1.0,
        virtual_queue_s=0.0,
        rng=np.random.Generator(np.random.Philox(key=round_number)),
    )


@pytest.mark.parametrize("rounds", [2, 10, 40, 5000])
def test_all_three_orders_schedule_as_many_devices_in_all(rounds: int) -> None:
    total = {
        order: sum(
            Ordered(order=order, least=2, most=14, rounds=rounds).count(t)
            for t in range(1, rounds + 1)
        )
        for order in ("ascending", "constant", "descending")
    }

    assert set(total.values()) == {8 * rounds}


def test_a_descending_run_mirrors_an_ascending_one() -> None:
    up = [Ordered(order="ascending", least=2, most=14, rounds=40).count(t) for t in range(1, 41)]
    down = [Ordered(order="descending", least=2, most=14, rounds=40).count(t) for t in range(1, 41)]

    assert up == sorted(up)
    assert (up[0], up[-1]) == (2, 14)
    assert down == up[::-1]


def test_the_smaller_set_of_a_round_is_among_the_larger_one() -> None:
    few = Ordered(order="ascending", least=2, most=14, rounds=40).schedule(state(3))
    many = Ordered(order="descending", least=2, most=14, rounds=40).schedule(state(3))

    assert len(few.devices) < len(many.devices)
    assert set(few.devices) <= set(many.devices)


@pytest.mark.parametrize(
    "options", [{"least": 3}, {"rounds": 41}, {"order": "sideways"}, {"least": 16}]
)
def test_numbers_that_cannot_have_equal_totals_are_refused(options: dict[str, int | str]) -> None:
    given = {"order": "ascending", "least": 2, "most": 14, "rounds": 40} | options

    with pytest.raises(ValueError, match=r"order|least|rounds"):
        Ordered(**given)  # type: ignore[arg-type]
