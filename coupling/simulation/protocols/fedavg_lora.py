"""Federated averaging: the model is on the devices, and the LoRA matrices are on the air."""

from coupling.simulation.protocols.exchange import DEVICE, Compute, Exchange, Send
from netsim.cell import DOWNLINK, UPLINK


def fedavg_exchange(*, has_downlink: bool) -> Exchange:
    """Return the exchange: the adapter comes down, the device trains, the adapter goes up.

    Without a downlink the device has the adapter at once. A device whose upload is lost has
    trained its head, and its adapter is not averaged. Averaging takes the server no time.
    """
    training = (Compute("local_steps", DEVICE), Send("adapter", UPLINK))
    return (Send("adapter", DOWNLINK), *training) if has_downlink else training
