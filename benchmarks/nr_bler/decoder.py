"""LDPC decoder of Sionna PHY with the same messages in a denser layout, and with early stopping."""

from typing import final

import numpy as np
import torch
from sionna.phy.fec.ldpc.decoding import LDPC5GDecoder, LDPCBPDecoder

ITERATIONS = 20
"""Iterations of belief propagation: Sionna's default."""
_CLIP = 20.0
"""Limit of all messages: Sionna's default."""
_PHI_RANGE = (8.5e-8, 16.635532)
"""Range of the argument of phi in single precision: Sionna's."""


class DenseFlooding(LDPCBPDecoder):
    """Flooding belief propagation on messages without padding, one row per edge.

    Sionna pads the messages of every node to the maximum degree, 19 for check nodes and up to 30
    for variable nodes. Here nodes of equal degree form a block, so the same sums and the same
    function phi need four to six times less time. A word whose hard decisions satisfy all checks
    is finished: more iterations only strengthen it. A test compares the decisions with Sionna's.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Create the decoder of a parity-check matrix, as Sionna's."""
        super().__init__(*args, **kwargs)
        checks, variables = self.pcm.tocsr().nonzero()
        order, self._check_blocks, _ = _by_degree(checks)
        variables = variables[order]
        self._variable_of_edge = torch.from_numpy(variables.astype(np.int64))
        order, self._variable_blocks, nodes = _by_degree(variables)
        self._edge_by_variable = torch.from_numpy(order)
        self._row_of_variable = torch.from_numpy(np.argsort(nodes))

    def call(
        self,
        llr_ch: torch.Tensor,
        /,
        *,
        num_iter: int | None = None,
        msg_v2c: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the hard decisions for log-likelihood ratios ``[words, variables]``."""
        assert msg_v2c is None, "the decoder starts without messages"
        llr = llr_ch.clamp(-_CLIP, _CLIP).neg_().T.contiguous()
        decided = llr.clone()
        active = torch.arange(llr.shape[1])
        message = llr.index_select(0, self._variable_of_edge)
        for iteration in range(ITERATIONS if num_iter is None else num_iter):
            from_check = self._check_update(message)
            total = self._variable_sum(from_check) + llr
            at_edge = total.index_select(0, self._variable_of_edge)
            decided[:, active] = total
            if iteration > 2 and iteration % 2:
                failing = ~self._satisfied(at_edge)
                if not failing.any():
                    break
                if not failing.all():
                    active, llr = active[failing], llr[:, failing].contiguous()
                    at_edge, from_check = at_edge[:, failing], from_check[:, failing]
            message = at_edge.sub(from_check).clamp_(-_CLIP, _CLIP)
        return (decided.T <= 0).to(llr_ch.dtype)

    def _check_update(self, message: torch.Tensor) -> torch.Tensor:
        """Return the messages of the check nodes: extrinsic sums of phi with extrinsic signs."""
        words = message.shape[1]
        sign = torch.where(message < 0, -1.0, 1.0)
        phi = _phi(message.abs())
        for first, nodes, degree in self._check_blocks:
            block = slice(first, first + nodes * degree)
            part = phi[block].view(nodes, degree, words)
            torch.sub(part.sum(1, keepdim=True), part, out=part)
            part_sign = sign[block].view(nodes, degree, words)
            part_sign.mul_(part_sign.prod(1, keepdim=True))
        return _phi(phi).mul_(sign).clamp_(-_CLIP, _CLIP)

    def _variable_sum(self, from_check: torch.Tensor) -> torch.Tensor:
        """Return the sums of the check nodes' messages, one row per variable node."""
        words = from_check.shape[1]
        ordered = from_check.index_select(0, self._edge_by_variable)
        sums = [
            ordered[first : first + nodes * degree].view(nodes, degree, words).sum(1)
            for first, nodes, degree in self._variable_blocks
        ]
        return torch.cat(sums).index_select(0, self._row_of_variable)

    def _satisfied(self, at_edge: torch.Tensor) -> torch.Tensor:
        """Return whether the hard decisions satisfy all checks, one flag per word."""
        words = at_edge.shape[1]
        sign = torch.where(at_edge < 0, -1.0, 1.0)
        satisfied = torch.ones(words, dtype=torch.bool)
        for first, nodes, degree in self._check_blocks:
            part = sign[first : first + nodes * degree].view(nodes, degree, words)
            satisfied &= (part.prod(1) > 0).all(0)
        return satisfied


@final
class QuickDecoder(LDPC5GDecoder, DenseFlooding):
    """Sionna's decoder of NR's LDPC codes (rate recovery, pruning) over ``DenseFlooding``."""


def _by_degree(
    node_of_edge: np.ndarray,
) -> tuple[np.ndarray, list[tuple[int, int, int]], np.ndarray]:
    """Return edges by degree and node, blocks (first edge, nodes, degree), and nodes in order."""
    degree = np.bincount(node_of_edge)
    order = np.lexsort((np.arange(len(node_of_edge)), node_of_edge, degree[node_of_edge]))
    blocks, first = [], 0
    for value in np.unique(degree):
        nodes = int(np.count_nonzero(degree == value))
        blocks.append((first, nodes, int(value)))
        first += nodes * int(value)
    return order, blocks, np.argsort(degree, kind="stable")


def _phi(value: torch.Tensor) -> torch.Tensor:
    """Return ``-log(tanh(x / 2))`` in place, in the arithmetic of Sionna's ``cn_update_phi``."""
    power = value.clamp_(*_PHI_RANGE).exp_()
    return torch.log(power + 1).sub_(power.sub_(1).log_())
