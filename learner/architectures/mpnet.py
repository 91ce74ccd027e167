"""MPNet (Song et al., 2020): RoBERTa's embedding, and relative position bias in attention."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import Batch, CutActivations, TextArchitecture, attention_mask


@final
class MPNet(TextArchitecture):
    """``transformers.MPNetModel``; its encoder adds the relative position bias by itself."""

    targets: ClassVar = ("attn.q", "attn.v")
    attentions: ClassVar = frozenset()
    has_pooler: ClassVar = True

    @override
    def max_positions(self, config: Any) -> int:
        # Positions are counted from the padding token on, which MPNetEmbeddings fixes at number 1.
        return int(config.max_position_embeddings - 2)

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith(("encoder.", "pooler."))

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        return CutActivations(
            model.embeddings(input_ids=batch["input_ids"]), batch["attention_mask"]
        )

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        mask = attention_mask(model, embedded)
        states: Tensor = model.encoder(
            embedded.hidden, attention_mask=mask, return_dict=True
        ).last_hidden_state
        return states
