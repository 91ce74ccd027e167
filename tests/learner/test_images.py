"""Image data: batches are those of the model's processor, and a split ViT learns."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_learner import CLASSES, Make, PhiloxStreams, train, write_parquet
from support.tiny_models import picture, save_model, save_pictures
from transformers import AutoImageProcessor

from learner.errors import LearnerInputError
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build

LORA = {"rank": 2, "alpha": 4}


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("vit"), "vit")


def settings_of(make_settings: Make, model: Path, data: Path, **changes: object) -> LearnerSettings:
    table = {"pooling": "cls", "lora": LORA, "data": {"path": str(data)}, "batch_size": 2}
    return make_settings(model=str(model), **(table | changes))


def refused(make_settings: Make, model: Path, data: Path | str) -> tuple[str, str]:
    """Return the key and the line about samples in a folder or of a name."""
    settings = settings_of(make_settings, model, Path(data))
    if isinstance(data, str):
        table = settings.model_dump() | {"data": {"name": data}}
        settings = LearnerSettings.model_validate(table)
    with pytest.raises(LearnerInputError) as caught:
        build(settings, 3, PhiloxStreams(1))
    assert "\n" not in caught.value.problem
    return caught.value.key, caught.value.problem


@pytest.mark.parametrize("kind", ["vit", "deit"])
def test_a_batch_is_that_of_the_models_processor(
    tmp_path: Path, make_settings: Make, kind: str
) -> None:
    model = save_model(tmp_path / "model", kind)
    data = save_pictures(tmp_path / "data", 12, 3)
    subject = build(settings_of(make_settings, model, data), 3, PhiloxStreams(1))

    pixels = subject.parts.samples.batch(np.array([5, 0]))["pixel_values"]

    random = np.random.Generator(np.random.Philox(8))
    files = [picture(random, n % CLASSES)["bytes"] for n in range(12)]
    images = [Image.open(io.BytesIO(files[row])) for row in (5, 0)]
    expected = AutoImageProcessor.from_pretrained(model, backend="pil", trust_remote_code=False)(
        images, return_tensors="pt"
    )
    assert torch.equal(pixels, expected["pixel_values"])
    assert pixels.shape == (2, 3, 12, 12)


def test_resizing_and_normalising_are_done_by_hand_alike(
    tmp_path: Path, vit: Path, make_settings: Make
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (6, 6), (255, 0, 51)).save(file, "PNG")
    for name in ("train.parquet", "test.parquet"):
        write_parquet(tmp_path, name, img=[file.getvalue()] * 6, label=[0, 1] * 3)
    subject = build(settings_of(make_settings, vit, tmp_path), 3, PhiloxStreams(1))

    pixels = subject.parts.samples.batch(np.array([0]))["pixel_values"]

    # One colour stays one colour at any size; 255, 0 and 51 of 255, minus 0.5, over 0.5.
    for channel, value in enumerate((1.0, -1.0, -0.6)):
        assert pixels[0, channel].numpy() == pytest.approx(np.full((12, 12), value), abs=1e-6)


def test_grey_pictures_are_read_in_colour(tmp_path: Path, vit: Path, make_settings: Make) -> None:
    file = io.BytesIO()
    Image.new("L", (6, 6), 77).save(file, "PNG")
    for name in ("train.parquet", "test.parquet"):
        write_parquet(tmp_path, name, image=[file.getvalue()] * 6, label=[0, 1] * 3)

    subject = build(settings_of(make_settings, vit, tmp_path), 3, PhiloxStreams(1))

    assert train(subject, 1, [0, 1]).train_loss is not None


def test_a_split_vit_learns_to_distinguish_images(
    tmp_path: Path, vit: Path, make_settings: Make
) -> None:
    data = save_pictures(tmp_path, 120, 60)
    adamw = {"kind": "adamw", "lr": 0.02}
    subject: SplitLearner = build(
        settings_of(
            make_settings,
            vit,
            data,
            optimizer=adamw,
            precision="float32",
            batch_size=8,
            heads={"init": "equal"},
        ),
        4,
        PhiloxStreams(1),
    )
    before = subject.evaluate()

    for round_number in range(1, 26):
        train(subject, round_number, range(4))

    after = subject.evaluate()
    assert before.accuracy < 0.6
    assert after.accuracy > 0.9
    assert after.loss < 0.5 * before.loss


def test_a_file_that_is_no_image_is_refused(tmp_path: Path, vit: Path, make_settings: Make) -> None:
    good = picture(np.random.Generator(np.random.Philox(1)), 0)
    truncated = {"bytes": good["bytes"][:-40], "path": None}
    write_parquet(tmp_path, "test.parquet", img=[good, good], label=[0, 1])
    for bad, problem in (
        (
            {"bytes": b"no image", "path": None},
            "row 1 in column 'img' of the train split is no image: cannot",
        ),
        (
            {"bytes": b"no image", "path": "b.png"},
            "row 1 in column 'img' of the train split (b.png) is no image: cannot",
        ),
        (truncated, "row 1 in column 'img' of the train split is no image: "),
        (
            {"bytes": None, "path": "a.png"},
            "row 1 in column 'img' of the train split holds no bytes of an image",
        ),
    ):
        write_parquet(tmp_path, "train.parquet", img=[good, bad], label=[0, 1])

        key, gradients = refused(make_settings, vit, tmp_path)

        assert key == "learner.data.path"
        assert gradients.startswith(problem)


def test_a_label_beyond_the_classes_is_refused(
    tmp_path: Path, vit: Path, make_settings: Make
) -> None:
    first = picture(np.random.Generator(np.random.Philox(1)), 0)
    write_parquet(tmp_path, "train.parquet", img=[first, first], label=[0, 1])
    write_parquet(tmp_path, "test.parquet", img=[first, first], label=[0, 2])

    assert refused(make_settings, vit, tmp_path) == (
        "learner.data.path",
        "label 2 in row 1 of the test split is not one of the classes 0 to 1",
    )


def test_images_need_an_image_model_and_texts_a_text_model(
    tmp_path: Path, vit: Path, tiny_data: Path, make_settings: Make
) -> None:
    assert refused(make_settings, vit, tiny_data) == (
        "learner.data",
        "the samples are text, and the model reads images",
    )
    assert refused(make_settings, vit, "sst2") == (
        "learner.data",
        "the samples are text, and the model reads images",
    )


def test_a_processor_that_does_not_fit_is_refused(tmp_path: Path, make_settings: Make) -> None:
    model = save_model(tmp_path / "model", "vit")
    data = save_pictures(tmp_path / "data", 12, 3)
    file = model / "preprocessor_config.json"
    table = json.loads(file.read_text()) | {"size": {"height": 16, "width": 16}}
    file.write_text(json.dumps(table))
    assert refused(make_settings, model, data) == (
        "learner.model",
        "its image processor makes images of 16 x 16 pixels, and the model takes 12",
    )

    file.unlink()
    key, problem = refused(make_settings, model, data)
    assert key == "learner.model"
    assert problem.startswith(f"'{model}' has no image processor that can be loaded: ")


def test_payloads_of_images_are_counted_by_hand(
    tmp_path: Path, vit: Path, make_settings: Make
) -> None:
    data = save_pictures(tmp_path, 24, 3)
    subject = build(settings_of(make_settings, vit, data, local_batches=2), 3, PhiloxStreams(1))

    bits = subject.leg_bits(1, 4)

    # Two batches of 2 pictures: 9 patches and [CLS] each, 16 numbers of 32 bits.
    assert list(bits.values()) == [4 * 10 * 16 * 32, 4 * 16 * 32, 4 * 16 * 32]
    assert len(subject.start(1, 4).rows) == 4
