"""Who takes part in a round, and with how much bandwidth: one file a policy."""

from netsim.scheduling.base import Allocation, History, Policy, RoundState
from netsim.scheduling.check import AllocationError, ask, checked
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrt, Objective
from netsim.scheduling.oracle_static import OracleStatic
from netsim.scheduling.registry import ENTRY_POINTS, POLICIES, create, policy_class

__all__ = [
    "ENTRY_POINTS",
    "POLICIES",
    "Allocation",
    "AllocationError",
    "AnyZeta",
    "Drift",
    "History",
    "InverseSqrt",
    "Objective",
    "OracleStatic",
    "Policy",
    "RoundState",
    "ask",
    "checked",
    "create",
    "policy_class",
]
