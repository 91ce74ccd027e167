"""Plug-in partition: shares that a user's own class assigns, checked before they are used."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from learner.data.partitioners import Shares
from learner.errors import LearnerInputError, one_line
from learner.rng import RngFactory
from learner.settings.data import PARTITION_ENTRY_POINTS, PlugInPartition
from learner.settings.plugins import Load, load_class, require_options

_KEY = "learner.data.partition"


class Partitioner(ABC):
    """Partition of your own: it is created with the options of its table."""

    @abstractmethod
    def shares(
        self, labels: Int[ndarray, " S"], sizes: Int[ndarray, " K"], rng: RngFactory
    ) -> Shares:
        """Return the samples of each device: one array of sample numbers per device, disjoint.

        ``sizes`` are the numbers of samples that ``share`` and ``sizes`` of the table ask for;
        other numbers are allowed. ``rng("name", device)`` gives a generator that depends on the
        seed, the name and the device alone. No name meets a stream of airtune's own, and one with
        an index none without.
        """


def plugin_shares(
    table: PlugInPartition,
    labels: Int[ndarray, " S"],
    sizes: Int[ndarray, " K"],
    *,
    rng: RngFactory,
    load: Load,
) -> Shares:
    """Return the shares that a plug-in assigns.

    Raises:
        LearnerInputError: it cannot be loaded, fails, or its shares are not disjoint sets of
            sample numbers, one per device.
    """
    options = table.model_dump(exclude={"kind"})
    try:
        partitioner = load_class(
            table.kind,
            Partitioner,  # type: ignore[type-abstract]
            load=load,
            group=PARTITION_ENTRY_POINTS,
        )
    except ValueError as error:
        raise LearnerInputError(_KEY, f"kind = {error}") from error

    def own(name: str, *indices: int) -> np.random.Generator:
        # A missing index counts as 0, so the number of indices belongs to the name.
        return rng(f"own partition {len(indices)} {name}", *indices)

    try:
        require_options(partitioner, options, _KEY)
        shares = [np.asarray(share) for share in partitioner(**options).shares(labels, sizes, own)]
    except LearnerInputError:
        raise
    except (Exception, SystemExit) as error:
        problem = f"kind = '{table.kind}' fails: {type(error).__name__}: {one_line(error)}"
        raise LearnerInputError(_KEY, problem) from error
    if not _are_disjoint(shares, len(labels), len(sizes)):
        problem = (
            f"kind = '{table.kind}' must return one array of sample numbers, from 0 to "
            f"{len(labels) - 1}, for each of {len(sizes)} devices, and no sample twice"
        )
        raise LearnerInputError(_KEY, problem)
    return shares


def _are_disjoint(shares: Shares, samples: int, device_count: int) -> bool:
    if len(shares) != device_count or not shares:
        return False
    if any(share.ndim != 1 or share.dtype.kind not in "iu" for share in shares):
        return False
    held = np.concatenate(shares)
    if held.size and not (held.min() >= 0 and held.max() < samples):
        return False
    return len(np.unique(held)) == len(held)
