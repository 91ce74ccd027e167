import numpy as np
import pytest
from pydantic import ValidationError

from netsim.energy import Battery, DeviceEnergy
from netsim.streams import Streams


def test_computing_costs_kappa_f_squared_per_cycle() -> None:
    energy = DeviceEnergy(kappa=1e-28)

    spent_j = energy.compute_j(np.array([2e9, 2e9, 0.0]), np.array([1e9, 3e9, 1e9]))

    # 1e-28 x (1e9)^2 x 2e9 = 0.2 J; at three times the clock nine times as much.
    np.testing.assert_allclose(spent_j, [0.2, 1.8, 0.0], rtol=1e-12)


def test_a_charge_changes_by_consumption_and_recharging() -> None:
    battery = Battery(capacity_j=100.0, recharge_w=2.0, idle_w=0.5)

    after_j, _ = battery.after_round(
        np.array([50.0, 50.0, 99.0, 10.0, 0.0]),
        np.zeros(5, bool),
        np.array([0.0, 20.0, 0.0, 10.0, 0.0]),
        duration_s=4.0,
    )

    assert after_j.tolist() == [56.0, 36.0, 100.0, 6.0, 6.0]


def test_idling_drains_a_battery_to_0_and_not_below() -> None:
    battery = Battery(capacity_j=10.0, idle_w=1.0)

    after_j, depleted = battery.after_round(
        np.array([3.0, 1.0]), np.zeros(2, bool), np.zeros(2), duration_s=2.0
    )

    assert after_j.tolist() == [1.0, 0.0]
    assert depleted.tolist() == [False, True]


def test_a_depleted_device_comes_back_at_its_share_of_the_capacity() -> None:
    battery = Battery(capacity_j=100.0, recharge_w=10.0, resume_share=0.3)
    charge_j, depleted = np.array([20.0, 20.0]), np.zeros(2, bool)
    spent_j = np.array([20.0, 19.0])

    history = []
    for _ in range(4):
        charge_j, depleted = battery.after_round(charge_j, depleted, spent_j, duration_s=1.0)
        history.append((charge_j.tolist(), depleted.tolist()))
        spent_j = np.zeros(2)

    assert history == [
        ([10.0, 11.0], [True, False]),
        ([20.0, 21.0], [True, False]),
        ([30.0, 31.0], [False, False]),
        ([40.0, 41.0], [False, False]),
    ]


def test_a_full_battery_ends_a_share_of_one() -> None:
    battery = Battery(capacity_j=0.3, recharge_w=0.1, resume_share=1.0)
    charge_j, depleted = battery.after_round(
        np.array([0.3]), np.zeros(1, bool), np.array([0.3]), duration_s=2.9
    )
    assert depleted.all()

    charge_j, depleted = battery.after_round(charge_j, depleted, np.zeros(1), duration_s=0.2)

    assert charge_j.tolist() == [0.3]
    assert not depleted.any()


def test_a_rest_of_rounding_counts_as_an_empty_battery() -> None:
    battery = Battery(capacity_j=10.0)
    charge_j = np.array([3.0, 3.0, 3.0, 1e-9])

    after_j, depleted = battery.after_round(
        charge_j,
        np.zeros(4, bool),
        np.array([3.0 * (1 - 1e-12), 3.0 * (1 + 1e-12), 2.99, 0.0]),
        duration_s=2.0,
    )

    assert depleted.tolist() == [True, True, False, False]
    assert after_j[:2].tolist() == [0.0, 0.0]
    assert after_j[2] == pytest.approx(0.01)
    assert after_j[3] == 1e-9, "a small charge that is not used stays"


def test_initial_charges_are_uniform_and_independent_of_their_number() -> None:
    battery = Battery(capacity_j=50.0, initial=(0.2, 0.8))
    charge_j = battery.initial_charge_j(100_000, Streams(1))

    assert (battery.initial_charge_j(10, Streams(1)) == charge_j[:10]).all()
    assert charge_j.min() >= 10.0
    assert charge_j.max() <= 40.0
    half_width = 4 * 30.0 / np.sqrt(12 * 100_000)
    assert half_width < 0.01 * 25.0
    assert abs(charge_j.mean() - 25.0) < half_width
    assert (Battery(capacity_j=50.0).initial_charge_j(3, Streams(1)) == 50.0).all()


@pytest.mark.parametrize("initial", [(0.8, 0.2), (0.0, 1.0), (0.5, 1.5)])
def test_impossible_initial_charges_are_refused(initial: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        Battery(capacity_j=1.0, initial=initial)
