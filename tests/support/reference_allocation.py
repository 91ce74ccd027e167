"""Reference solution of the allocation in arithmetic of 50 digits, written from the paper."""

import mpmath as mp
import numpy as np

mp.mp.dps = 100


def y_of(log_ratio: mp.mpf) -> mp.mpf:
    """Return y with ln((exp(y) - 1) / y) = log_ratio, by Newton."""
    y = 2 * log_ratio if log_ratio < 1 else log_ratio + mp.log(1 + log_ratio)
    for _ in range(100):
        change = (mp.log(mp.expm1(y) / y) - log_ratio) / (mp.exp(y) / mp.expm1(y) - 1 / y)
        y -= change
        if abs(change) < mp.mpf(10) ** -50 * y:
            return y
    raise ArithmeticError(f"no y for {log_ratio}")


def snr_of_ratio(log_ratio: mp.mpf) -> mp.mpf:
    """Return s with ln(s / ln(1 + s)) = log_ratio."""
    return mp.expm1(y_of(log_ratio))


def bandwidth(
    bits: float, delay_s: mp.mpf, gain: float, noise_psd: float, power_w: float = 1.0
) -> mp.mpf:
    """Return the bandwidth in Hz that solves (24); infinite at and below the capacity floor."""
    received = mp.mpf(power_w) * mp.mpf(gain) / mp.mpf(noise_psd)
    ratio = mp.mpf(delay_s) * received / (mp.mpf(bits) * mp.log(2))
    return received / snr_of_ratio(mp.log(ratio)) if ratio > 1 else mp.inf


def shared_delay(
    bits: np.ndarray, gain: np.ndarray, bandwidth_hz: float, noise_psd: float, power_w: np.ndarray
) -> tuple[mp.mpf, list[mp.mpf]]:
    """Return the minimum common delay in seconds and the bandwidths of a set in Hz.

    Bisection on the logarithm of the excess over the largest floor, so that no digits are lost near
    it.
    """
    floors = [
        mp.mpf(b) * mp.mpf(noise_psd) * mp.log(2) / (mp.mpf(p) * mp.mpf(g))
        for b, g, p in zip(bits, gain, power_w, strict=True)
    ]
    worst = max(floors)

    def needed(log_excess: mp.mpf) -> list[mp.mpf]:
        delay_s = worst * (1 + mp.exp(log_excess))
        return [
            bandwidth(b, delay_s, g, noise_psd, p)
            for b, g, p in zip(bits, gain, power_w, strict=True)
        ]

    low, high = mp.mpf(-80), mp.mpf(80)
    value_low, value_high = (mp.log(mp.fsum(needed(x)) / bandwidth_hz) for x in (low, high))
    for step in range(400):
        # Regula falsi (Illinois) on two logarithms, which are nearly linear in each other.
        middle = (
            high - value_high * (high - low) / (value_high - value_low)
            if step % 4
            else (low + high) / 2
        )
        value = mp.log(mp.fsum(needed(middle)) / bandwidth_hz)
        if abs(value) < mp.mpf(10) ** -30:
            return worst * (1 + mp.exp(middle)), needed(middle)
        if value > 0:
            low, value_low = middle, value
        else:
            high, value_high = middle, value
    raise ArithmeticError("no common delay")
