"""Scheduler settings: the ``[scheduler]`` table."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from coupling.scenario.errors import ScenarioError, unknown
from coupling.scenario.json_schema import DescribedJsonSchema
from coupling.scenario.tables.base import ScenarioTable
from netsim import scheduling
from netsim.channel.csi import AnyChannelState, PerfectCsi
from netsim.parameters import NonNegative, Switch, source
from netsim.plugin_import import installed
from netsim.virtual_queue import QueueUpdate

_Budget = Annotated[float, Field(gt=0, le=1e30, strict=True)]
"""Seconds, or seconds per bit; the square of the queue, in budgets, stays a float."""


def _add_policy_options(schema: dict[str, Any]) -> None:
    """Add the options of the built-in policies, and the names of their policies, to a schema."""
    for kind, policy in scheduling.POLICIES.items():
        own = TypeAdapter(policy).json_schema(schema_generator=DescribedJsonSchema)
        for name, option in own["properties"].items():
            if name == "objective":  # made of the table's zeta and drift
                continue
            if name in schema["properties"] and "policies" not in schema["properties"][name]:
                continue
            known = schema["properties"].setdefault(name, option | {"policies": []})
            known["policies"].append(kind)


def options_of(kind: str, folders: Sequence[Path] = ()) -> set[str]:
    """Return the names of the options of a policy, which may be in a module in ``folders``.

    Raises:
        ScenarioError: there is no such policy.
    """
    try:
        policy = scheduling.policy_class(kind, folders)
        return scheduling.option_names(policy)
    except (ValueError, ImportError, AttributeError) as error:
        if ":" in kind or kind in installed(scheduling.ENTRY_POINTS):
            raise ScenarioError(f"scheduler.kind: {error}") from None
        raise ScenarioError(unknown("scheduler.kind", kind, list(scheduling.POLICIES))) from None


@final
class SchedulerTable(ScenarioTable):
    """Scheduling policy, objective and virtual queue, with the options of the policy."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_add_policy_options)

    kind: Annotated[str, Field(min_length=1)]
    """Name of the policy: a built-in one, one that an installed package offers, or
    ``package.module:ClassName``, also from the working directory or the scenario's folder.
    """
    delay_budget_s: Annotated[_Budget | None, source("paper, (8)")] = None
    """Maximum mean delay per round, constraint (8), in seconds; excludes
    ``delay_budget_s_per_bit``.
    """
    delay_budget_s_per_bit: Annotated[_Budget | None, source("paper, section V-A")] = None
    """Maximum mean delay (8) per bit of payload, in s/bit; excludes ``delay_budget_s``."""
    zeta: Annotated[scheduling.AnyZeta, source("paper, (22)")] = scheduling.InverseSqrtZeta()
    """Control parameter zeta(t) of the objective (22), without unit."""
    drift: Annotated[scheduling.Drift, source("paper, Lemma 2")] = "paper"
    """Drift term of the objective: without the squared delay (``paper``, Lemma 2) or with it
    (``full``).
    """
    queue_update: Annotated[QueueUpdate, source("paper, (18a)")] = "eq18"
    """Update of the virtual queue: (18a), or line 19 of Algorithm 1, which multiplies by
    zeta(t).
    """
    csi: AnyChannelState = PerfectCsi()
    """Channel state information of the policy; the transfers always use the true gains."""
    diagnose: Switch | Literal["devices"] = False
    """Also solve P1 exactly in every round; ``devices`` adds the marginal objective of each
    unscheduled device.
    """
    queue_initial_budgets: Annotated[NonNegative, source("paper, (18b)")] = 0.0
    """Virtual queue before the first round, in delay budgets; the paper starts at 0."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.delay_budget_s is not None and self.delay_budget_s_per_bit is not None:
            raise ValueError(
                "delay_budget_s and delay_budget_s_per_bit exclude each other; keep one"
            )
        if self.delay_budget_s is None and self.delay_budget_s_per_bit is None:
            raise ValueError("needs delay_budget_s or delay_budget_s_per_bit")
        return self

    @cached_property
    def objective(self) -> scheduling.Objective:
        """Objective J of problem P1 with the zeta and drift of this table."""
        return scheduling.Objective(zeta=self.zeta, drift=self.drift)

    def create(self, folders: Sequence[Path] = ()) -> scheduling.Policy:
        """Return the policy, which may be in a module in ``folders``.

        Raises:
            ScenarioError: an unknown kind, or a queue update that needs an objective where
                the policy has none.
            ValidationError: an option that the policy does not have, or a value that it does not
                allow.
        """
        own = options_of(self.kind, folders)
        if self.queue_update == "algorithm1" and "objective" not in own:
            raise ScenarioError(
                "scheduler.queue_update = 'algorithm1' requires a policy with an `objective` "
                f"option; {self.kind!r} has none"
            )
        options = dict(self.model_extra or {})
        if "objective" in own:
            if "objective" in options:
                raise ScenarioError("scheduler.objective is unknown; give scheduler.zeta and drift")
            options["objective"] = self.objective
        try:
            return scheduling.create(self.kind, folders, **options)
        except ValidationError:
            raise
        except (TypeError, ValueError, ImportError, AttributeError) as error:
            raise ScenarioError(
                f"scheduler.kind = {self.kind!r} cannot be created: {error}"
            ) from None
