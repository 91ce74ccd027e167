"""ELECTRA (Clark et al., 2020): BERT with a narrower embedding and without a pooler."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import Batch, CutActivations, TextArchitecture, attention_mask


@final
class Electra(TextArchitecture):
    """``transformers.ElectraModel``, the discriminator.

    The cut is before the projection to the encoder's width, so that the narrow embedding crosses
    the link.
    """

    targets: ClassVar = ("query", "value")
    has_pooler: ClassVar = False

    @override
    def embedding_width(self, config: Any) -> int:
        return int(config.embedding_size)

    @override
    def max_positions(self, config: Any) -> int:
        return int(config.max_position_embeddings)

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith(("embeddings_project", "encoder."))

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        hidden = model.embeddings(
            input_ids=batch["input_ids"], token_type_ids=batch.get("token_type_ids")
        )
        return CutActivations(hidden, batch["attention_mask"])

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        mask = attention_mask(model, embedded)
        projected = hasattr(model, "embeddings_project")
        hidden = model.embeddings_project(embedded.hidden) if projected else embedded.hidden
        states: Tensor = model.encoder(hidden, attention_mask=mask).last_hidden_state
        return states
