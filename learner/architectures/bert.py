"""BERT (Devlin et al., 2019) and RoBERTa (Liu et al., 2019), which count positions differently."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import Batch, CutActivations, TextArchitecture, attention_mask


@final
class Bert(TextArchitecture):
    """``transformers.BertModel`` and ``RobertaModel``; the pooler is a tanh layer on token 0.

    RoBERTa starts counting positions after the number of its padding token, and does not count
    padding.
    """

    targets: ClassVar = ("query", "value")
    has_pooler: ClassVar = True

    def __init__(self, *, counts_from_padding: bool = False) -> None:
        self._counts_from_padding = counts_from_padding

    @override
    def max_positions(self, config: Any) -> int:
        skipped = config.pad_token_id + 1 if self._counts_from_padding else 0
        return int(config.max_position_embeddings - skipped)

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith(("encoder.", "pooler."))

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        hidden = model.embeddings(
            input_ids=batch["input_ids"], token_type_ids=batch.get("token_type_ids")
        )
        return CutActivations(hidden, batch["attention_mask"])

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        mask = attention_mask(model, embedded)
        states: Tensor = model.encoder(embedded.hidden, attention_mask=mask).last_hidden_state
        return states
