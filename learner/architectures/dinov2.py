"""DINOv2 (Oquab et al., 2023): ViT with a learnt scale on each layer's output, for images of many
sizes.
"""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import CutActivations, ImageArchitecture, pair


@final
class Dinov2(ImageArchitecture):
    """``transformers.Dinov2Model``; it has no pooler: its authors classify by ``cls_mean`` or
    ``cls``.
    """

    targets: ClassVar = ("q_proj", "v_proj")
    has_pooler: ClassVar = False
    special = 1

    @override
    def tokens(self, config: Any, height: int, width: int) -> int:
        # What is left over at the edge is cut off; position embeddings are interpolated to the
        # size.
        tall, wide = pair(config.patch_size)
        patches = (height // tall) * (width // wide)
        return patches + self.special if patches else 0

    @override
    def on_server(self, module: str) -> bool:
        return module.startswith("encoder.")

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        states: Tensor = model.layernorm(model.encoder(embedded.hidden).last_hidden_state)
        return states
