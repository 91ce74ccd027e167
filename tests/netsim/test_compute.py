import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from netsim.compute import DeviceClass, DeviceCompute, ServerCompute
from netsim.streams import Streams

COUNT = 100_000
DEVICES = np.arange(COUNT)


def test_without_jitter_service_is_operations_over_speed() -> None:
    device, server = DeviceCompute(speed_per_s=2e9), ServerCompute(speed_per_s=1e12, workers=4)
    speed_per_s = device.speeds(3, Streams(1))

    service_s = device.service_s(
        np.array([2e9, 1e9, 0.0]), speed_per_s, np.arange(3), 1, "embed", Streams(1)
    )

    assert service_s.tolist() == [1.0, 0.5, 0.0]
    assert server.service_s(np.array([5e11]), np.array([7]), 1, "encode", Streams(1)).tolist() == [
        0.5
    ]


@pytest.mark.parametrize("of", ["device", "server"])
def test_jitter_is_lognormal_with_mean_1(of: str) -> None:
    sigma, one = 0.5, np.ones(COUNT)
    if of == "device":
        service_s = DeviceCompute(speed_per_s=1.0, jitter=sigma).service_s(
            one, one, DEVICES, 3, "embed", Streams(2)
        )
    else:
        service_s = ServerCompute(speed_per_s=1.0, jitter=sigma).service_s(
            one, DEVICES, 3, "encode", Streams(2)
        )

    half_width = 4 * np.sqrt((np.exp(sigma**2) - 1) / COUNT)
    assert half_width < 0.05
    assert abs(service_s.mean() - 1) < half_width
    assert abs(np.log(service_s).mean() + sigma**2 / 2) < 4 * sigma / np.sqrt(COUNT)
    assert abs(np.log(service_s).std() - sigma) < 4 * sigma / np.sqrt(2 * COUNT) < 0.05 * sigma


def test_jitter_is_a_function_of_device_round_and_step() -> None:
    model, one = DeviceCompute(speed_per_s=1.0, jitter=0.3), np.ones(50)

    def draw(round_number: int, step: str, device: np.ndarray) -> np.ndarray:
        return model.service_s(
            one[: len(device)], one[: len(device)], device, round_number, step, Streams(2)
        )

    all_s = draw(1, "embed", np.arange(50))
    assert (
        len(
            np.unique(
                np.concatenate(
                    [all_s, draw(2, "embed", np.arange(50)), draw(1, "head", np.arange(50))]
                )
            )
        )
        == 150
    )
    assert (draw(1, "embed", np.array([7, 3])) == all_s[[7, 3]]).all()


def test_devices_are_in_classes_by_their_shares_for_any_number() -> None:
    model = DeviceCompute(
        classes=(DeviceClass(share=0.2, speed_per_s=1e9), DeviceClass(share=0.8, speed_per_s=5e9))
    )

    speed_per_s = model.speeds(COUNT, Streams(4))

    assert abs((speed_per_s == 1e9).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / COUNT) < 0.05 * 0.2
    assert set(speed_per_s) == {1e9, 5e9}
    assert (model.speeds(10, Streams(4)) == speed_per_s[:10]).all()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "needs speed_per_s or classes"),
        ({"speed_per_s": 1.0, "classes": [{"share": 1.0, "speed_per_s": 1.0}]}, "and not both"),
        ({"classes": [{"share": 0.5, "speed_per_s": 1.0}]}, "sum to 0.5 instead of 1"),
        ({"speed_per_s": -1.0}, "greater than 0"),
        ({"speed_per_s": 1.0, "jitter": -0.1}, "greater than or equal to 0"),
    ],
)
def test_a_bad_compute_table_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        TypeAdapter(DeviceCompute).validate_python(table)
