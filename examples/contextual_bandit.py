"""Contextual bandit LinUCB as a scheduling policy whose memory is in every checkpoint.

An arm is a number of devices, those of the largest received power; the context of an arm is the
price of delay and the signal-to-noise ratio of its weakest device. It learns from J of each round.
"""

import numpy as np

from netsim.scheduling import Allocation, Objective, Policy


class ContextualBandit(Policy):
    def __init__(self, arms: int = 20, exploration: float = 0.5) -> None:
        self.objective = Objective(drift="full")
        self.exploration = exploration
        self.gram = np.tile(np.eye(4), (arms, 1, 1))  # ridge regression of J, arm by arm
        self.sums = np.zeros((arms, 4))
        self.arm = -1
        self.context = np.zeros(4)

    def contexts(self, state):
        zeta = self.objective.zeta.at(state.round)
        price = np.log1p(zeta * state.virtual_queue_s / state.delay_budget_s)
        power_w = np.sort(state.tx_power_w * state.gain)[::-1]
        snr = np.log10(np.maximum(power_w / (state.noise_psd * state.bandwidth_hz), 1e-9))
        one = np.ones(len(snr))
        return np.stack([one, price * one, snr, price * snr], axis=1)[: len(self.sums)]

    def schedule(self, state):
        contexts = self.contexts(state)
        inverse = np.linalg.inv(self.gram[: len(contexts)])
        mean = np.einsum("ai,aij,aj->a", contexts, inverse, self.sums[: len(contexts)])
        width = np.sqrt(np.einsum("ai,aij,aj->a", contexts, inverse, contexts))
        self.arm = int(np.argmax(mean + self.exploration * width))
        self.context = contexts[self.arm]
        strongest = np.argsort(-state.tx_power_w * state.gain, kind="stable")
        return Allocation.equal_finish(state, strongest[: self.arm + 1])

    def observe(self, record):
        if len(record.scheduled):
            self.gram[self.arm] += np.outer(self.context, self.context)
            self.sums[self.arm] += np.clip(record.objective, -20.0, 20.0) * self.context

    def state_dict(self):
        return {"gram": self.gram, "sums": self.sums, "arm": self.arm, "context": self.context}

    def load_state_dict(self, state):
        self.gram, self.sums = state["gram"].copy(), state["sums"].copy()
        self.arm, self.context = int(state["arm"]), state["context"].copy()
