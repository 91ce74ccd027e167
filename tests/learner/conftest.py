"""Fixtures of the learner's tests; its shape annotations are executed in all of them."""

from jaxtyping import install_import_hook

with install_import_hook("learner", "beartype.beartype"):
    import learner.split_learner  # noqa: F401  (imported here first, so that it is the checked one)

from support.learner_fixtures import make_settings, own_cache, rng, tiny_data, tiny_model

__all__ = ["make_settings", "own_cache", "rng", "tiny_data", "tiny_model"]
