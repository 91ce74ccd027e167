"""DistilBERT (Sanh et al., 2019): BERT with half the layers, no segments and no pooler."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import Batch, CutActivations, TextArchitecture, attention_mask


@final
class DistilBert(TextArchitecture):
    """``transformers.DistilBertModel``; only the separator distinguishes the texts of a pair."""

    targets: ClassVar = ("q_lin", "v_lin")
    has_pooler: ClassVar = False

    @override
    def max_positions(self, config: Any) -> int:
        return int(config.max_position_embeddings)

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith("transformer.")

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        return CutActivations(model.embeddings(batch["input_ids"]), batch["attention_mask"])

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        mask = attention_mask(model, embedded)
        states: Tensor = model.transformer(embedded.hidden, attention_mask=mask).last_hidden_state
        return states
