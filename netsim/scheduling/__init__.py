"""Scheduling: the devices of each round and their bandwidth, one file per policy."""

from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrtZeta, Objective
from netsim.scheduling.policies.oracle_static import OracleStatic
from netsim.scheduling.policy_call import AllocationError, call_policy, notify_policy, validated
from netsim.scheduling.record import RoundRecord
from netsim.scheduling.registry import ENTRY_POINTS, POLICIES, create, option_names, policy_class
from netsim.scheduling.round_state import History, RoundState

__all__ = [
    "ENTRY_POINTS",
    "POLICIES",
    "Allocation",
    "AllocationError",
    "AnyZeta",
    "Drift",
    "History",
    "InverseSqrtZeta",
    "Objective",
    "OracleStatic",
    "Policy",
    "RoundRecord",
    "RoundState",
    "call_policy",
    "create",
    "notify_policy",
    "option_names",
    "policy_class",
    "validated",
]
