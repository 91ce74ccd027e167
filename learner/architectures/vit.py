"""ViT (Dosovitskiy et al., 2021) and DeiT (Touvron et al., 2021), with two special tokens."""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner.architectures.base import CutActivations, ImageArchitecture, pair


@final
class Vit(ImageArchitecture):
    """``transformers.ViTModel`` and ``DeiTModel`` for images of one size.

    The pooler reads the first token.
    """

    targets: ClassVar = ("q_proj", "v_proj")
    has_pooler: ClassVar = True

    def __init__(self, *, num_special_tokens: int) -> None:
        self.num_special_tokens = num_special_tokens

    @override
    def token_count(self, config: Any, height: int, width: int) -> int:
        if (height, width) != pair(config.image_size):
            return 0
        tall, wide = pair(config.patch_size)
        return (height // tall) * (width // wide) + self.num_special_tokens

    @override
    def is_server_module(self, module: str) -> bool:
        return module.startswith(("layers.", "pooler."))

    @override
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        states = embedded.hidden
        for layer in model.layers:
            states = layer(states)
        normalised: Tensor = model.layernorm(states)
        return normalised
