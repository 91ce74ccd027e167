"""Base class of the tables of a scenario file."""

from pydantic import BaseModel, ConfigDict

from netsim.parameters import CONFIG


class ScenarioTable(BaseModel):
    """A table of a scenario file."""

    model_config = ConfigDict(**CONFIG, frozen=True)
