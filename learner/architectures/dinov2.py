"""DINOv2 (Oquab et al., 2023): ViT with layer scale, for images of different sizes."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import CutActivations, ImageArchitecture, pair


@final
class Dinov2(ImageArchitecture):
    """``transformers.Dinov2Model``, without a pooler.

    Its authors classify by ``cls_mean`` or ``cls``.
    """

    targets: ClassVar = ("q_proj", "v_proj")
    has_pooler: ClassVar = False
    num_special_tokens = 1

    @override
    def token_count(self, config: Any, height: int, width: int) -> int:
        # Pixels that do not fill a patch are cut off; position embeddings are interpolated.
        tall, wide = pair(config.patch_size)
        patches = (height // tall) * (width // wide)
        return patches + self.num_special_tokens if patches else 0

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith("encoder.")

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        states: Tensor = model.layernorm(model.encoder(embedded.hidden).last_hidden_state)
        return states
