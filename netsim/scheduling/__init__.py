"""Who takes part in a round, and with how much bandwidth: one file a policy."""

from netsim.scheduling.base import Allocation, History, Policy, RoundState
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrtZeta, Objective
from netsim.scheduling.policies.oracle_static import OracleStatic
from netsim.scheduling.policy_call import AllocationError, call_policy, validated
from netsim.scheduling.registry import ENTRY_POINTS, POLICIES, create, policy_class

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
    "RoundState",
    "call_policy",
    "create",
    "policy_class",
    "validated",
]
