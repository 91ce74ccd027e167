"""Split step with its three legs in time: embedding up, feature down, gradient up."""

from typing import Final

from coupling.simulation.protocols.exchange import DEVICE, SERVER, Compute, Exchange, Send
from netsim.cell import DOWNLINK, UPLINK

SPLIT_STEP: Final[Exchange] = (
    Compute("embed", DEVICE),
    Send("embedding", UPLINK),
    Compute("encode", SERVER),
    Send("feature", DOWNLINK),
    Compute("head", DEVICE),
    Send("gradient", UPLINK),
    Compute("backward", SERVER),
)
"""The device embeds, the server encodes, the device steps its head, the server goes backward.

The server goes backward when all devices have ended, for each gradient that was delivered.
"""
