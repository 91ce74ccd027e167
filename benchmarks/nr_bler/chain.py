"""Chain of one code block: LDPC encoder, rate matching, QAM, AWGN, soft demapper, decoder."""

import warnings
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

import numpy as np
import torch
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.mapping import Constellation, Demapper, Mapper

from benchmarks.nr_bler.decoder import QuickDecoder
from netsim.link.nr.schemes import Scheme

_BG1_MAXIMUM_BITS = 8448
_BG2_MAXIMUM_BITS = 3840


@final
@dataclass(frozen=True)
class CodeBlock:
    """Code block of a scheme: information bits with CRC, and coded bits that are sent."""

    scheme: Scheme
    bits: int
    coded_bits: int

    @property
    def base_graph(self) -> int:
        """Base graph by TS 38.212 7.2.2; the code block stands for its transport block."""
        rate = self.scheme.code_rate
        small = self.bits <= 292 or (self.bits <= 3824 and rate <= 0.67) or rate <= 0.25
        return 2 if small else 1

    @staticmethod
    def near(scheme: Scheme, bits: int) -> "CodeBlock":
        """Return the code block near a size whose actual rate is nearest to the scheme's.

        Coded bits are whole symbols, so a rate such as 0.926 needs a suitable number of bits:
        within 20 % of sizes below 100 bits, 6 % of those below 1,000 bits and 2 % above.
        """
        window = 0.2 if bits < 100 else 0.06 if bits < 1000 else 0.02
        highest = min(bits, _BG1_MAXIMUM_BITS) if bits > 3000 else round(bits * (1 + window))
        order = scheme.modulation_order
        candidates = []
        for size in range(round(bits * (1 - window)), highest + 1):
            symbols = max(1, round(size / scheme.spectral_efficiency))
            error = abs(size / (symbols * order) / scheme.code_rate - 1)
            candidates.append((round(error, 3), abs(size - bits), size, symbols * order))
        _, _, size, coded_bits = min(candidates)
        return CodeBlock(scheme, size, coded_bits)


@final
class Chain:
    """Chain of Sionna PHY for the code blocks of one scheme and one size.

    Rates below those of the mother code repeat it from its beginning (TS 38.212 5.4.2.1): the
    receiver adds the soft values of equal bits. The interleaver is that of 5.4.2.2. The real and
    the imaginary part of NR's QAM are mapped as amplitude modulations, which is the same mapping
    (TS 38.211 5.1) and spares the demapper candidates.
    """

    def __init__(self, block: CodeBlock) -> None:
        """Create the encoder, the mapper, the demapper and the decoder."""
        self.block = block
        self._encoder = _encoder(block)
        self._decoder = QuickDecoder(self._encoder, num_iter=20)
        order = block.scheme.modulation_order
        amplitudes = Constellation("pam", order // 2)
        self._mapper = Mapper(constellation=amplitudes)
        self._demapper = Demapper("app", constellation=amplitudes)
        position = np.arange(block.coded_bits).reshape(order, -1).T
        # Bits 0, 2, 4, 6 of a symbol are its real part, the others its imaginary part.
        parts = np.concatenate([position[:, 0::2], position[:, 1::2]])
        self._sent = torch.from_numpy(parts.reshape(-1))
        self._back = torch.from_numpy(np.argsort(parts.reshape(-1)))

    def block_errors(
        self, sinr_db: float, words: int, rng: np.random.Generator, transmissions: int = 1
    ) -> np.ndarray:
        """Return the block errors of a number of words after each transmission, as flags.

        With chase combining the same coded bits are sent again and all soft values add, so the
        shape is ``[transmissions, words]``.
        """
        bits = torch.from_numpy(rng.integers(0, 2, (words, self.block.bits), np.int8)).float()
        coded = self._repeat(self._encoder(bits))
        sent = self._mapper(coded[:, self._sent])
        noise_power = 10 ** (-sinr_db / 10)
        soft = torch.zeros(words, self._encoder.n)
        failed = []
        for _ in range(transmissions):
            noise = torch.from_numpy(rng.standard_normal(tuple(sent.shape), np.float32))
            received = (sent.real + noise_power**0.5 * noise).to(sent.dtype)
            # The demapper expects the power of complex noise, twice that of the real noise.
            llr = self._demapper(received, torch.tensor(2 * noise_power))[:, self._back]
            soft = soft + self._fold(llr)
            failed.append((self._decoder(soft) != bits).any(1).numpy())
        return np.stack(failed)

    def _repeat(self, coded: torch.Tensor) -> torch.Tensor:
        """Return the coded bits with the mother code repeated from its beginning."""
        copies = -(-self.block.coded_bits // self._encoder.n)
        return coded.repeat(1, copies)[:, : self.block.coded_bits]

    def _fold(self, llr: torch.Tensor) -> torch.Tensor:
        """Return the sums of the soft values of equal bits of the mother code."""
        mother_bits = self._encoder.n
        folded = llr[:, :mother_bits].clone()
        for first in range(mother_bits, self.block.coded_bits, mother_bits):
            part = llr[:, first : first + mother_bits]
            folded[:, : part.shape[1]] += part
        return folded


def random_generator(block: CodeBlock, sinr_cdb: int, batch: int, seed: int) -> np.random.Generator:
    """Return the random numbers of a batch by its address: scheme, sizes, SINR in 0.01 dB, seed."""
    scheme = block.scheme
    address = (
        f"nr-bler|{scheme.modulation_order}|{scheme.rate_1024:g}|{block.bits}|{block.coded_bits}"
        f"|{sinr_cdb}|{batch}|{seed}"
    )
    key = int.from_bytes(blake2b(address.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _encoder(block: CodeBlock) -> LDPC5GEncoder:
    """Return the encoder with as many coded bits of the mother code as are sent.

    Sionna refuses rates below 1/5 (base graph 2) and 1/3 (base graph 1). Its encoder has all bits
    of the circular buffer nevertheless, so it is created at a rate that it accepts and its length
    is set afterwards.
    """
    copies = 3 if block.base_graph == 1 else 5
    coded_bits = min(block.coded_bits, copies * block.bits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rate just above 948/1024 by rounding is intended
        encoder = LDPC5GEncoder(block.bits, coded_bits, bg=f"bg{block.base_graph}")
    encoder._n = min(block.coded_bits, encoder.n_cb_comp)
    return encoder
