"""BERT (Devlin et al., 2019): word, position and segment embeddings, then transformer layers and a pooler."""

from typing import Any, final

from jaxtyping import Float
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask
from typing_extensions import override

from learner.families.base import Batch, Embedded, Family


@final
class Bert(Family):
    """``transformers.BertModel``; the pooler is a tanh layer on the first token."""

    @override
    def options(self, *, pooler: bool) -> dict[str, Any]:
        return {"add_pooling_layer": pooler}

    @override
    def on_server(self, module: str) -> bool:
        return module.startswith(("encoder.", "pooler."))

    @override
    def embed(self, model: Any, batch: Batch) -> Embedded:
        hidden = model.embeddings(input_ids=batch["input_ids"], token_type_ids=batch.get("token_type_ids"))
        return Embedded(hidden, batch["attention_mask"])

    @override
    def encode(self, model: Any, embedded: Embedded) -> Float[Tensor, "B L H"]:
        mask = create_bidirectional_mask(
            config=model.config, inputs_embeds=embedded.hidden, attention_mask=embedded.mask
        )
        states: Tensor = model.encoder(embedded.hidden, attention_mask=mask).last_hidden_state
        return states

    @override
    def pool(self, model: Any, states: Float[Tensor, "B L H"]) -> Float[Tensor, "B H"]:
        pooled: Tensor = model.pooler(states)
        return pooled
