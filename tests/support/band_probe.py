"""Probe of a band during a run: shares and bits that its interface does not report."""

from netsim.link.band import Band


def share_hz(band: Band, device: int) -> float:
    """Return a device's share of the band in Hz; 0 if it has none."""
    return band._share_hz.get(device, 0.0)


def sent_bit(band: Band, device: int) -> float | None:
    """Return the bits that the device's active transfer has sent; None without a transfer."""
    transfer = band._active.get(device)
    if transfer is None:
        return None
    return transfer.sent_bit + transfer.transmission.bits_until(band._env.now)
