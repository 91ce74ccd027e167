"""Data table: the labelled samples and their partition over the devices."""

from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import ConfigDict, Field, Tag, field_validator, model_validator

from learner.settings.base import Count, Name, Names, Positive, Settings, source
from learner.settings.plugins import PLUG_IN, by_kind, require_known

TEXTS: Final = ("movie_reviews", "sst2", "mrpc", "qnli", "rte", "cola", "mnli", "qqp")
IMAGES: Final = ("cifar10", "cifar100")
PARTITIONS: Final = ("iid", "dirichlet", "shards", "by_column")
PARTITION_ENTRY_POINTS: Final = "airtune.partition"
"""Entry-point group in which an installed package registers its partitions by name."""


@final
class Columns(Settings):
    """Columns of a table of samples: input and label."""

    text: Annotated[Names, Field(max_length=2)] | None = None
    """One column of texts, or two whose texts are read as a pair. Excludes `image`."""
    image: Name | None = None
    """Column of images: encoded as PNG, JPEG and the like, alone or as `{bytes, path}`. Excludes
    `text`.
    """
    label: Name = "label"
    """Column of the class numbers, 0 to C - 1, or of the names in `classes`."""
    classes: Annotated[Names, Field(min_length=2)] | None = None
    """Names of the classes in the label column, in the order of their numbers; by default it holds
    numbers. Numbers and truth values match the names `1` and `True`.
    """

    @model_validator(mode="after")
    def _one_input(self) -> "Columns":
        if (self.text is None) == (self.image is None):
            raise ValueError("needs text or image, one of the two")
        return self

    @field_validator("classes")
    @classmethod
    def _different(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in classes or ():
            if classes is not None and classes.count(name) > 1:
                raise ValueError(f"the class '{name}' is named twice")
        return classes


@final
class Iid(Settings):
    """IID partition: every device holds samples drawn from all classes alike."""

    kind: Annotated[Literal["iid"], source("paper, section V-A")] = "iid"
    """Name of the partition."""


@final
class Dirichlet(Settings):
    """Dirichlet partition: each device draws its own class mix (Hsu et al., 2019)."""

    kind: Annotated[Literal["dirichlet"], source("cited, Hsu et al. 2019")]
    """Name of the partition."""
    alpha: Positive
    """Concentration: 100 is close to `iid`, with 0.1 a typical device has one or two classes."""


@final
class Shards(Settings):
    """Shard partition: equal shards of the samples sorted by class (McMahan et al., 2017)."""

    kind: Annotated[Literal["shards"], source("cited, McMahan et al. 2017")]
    """Name of the partition."""
    per_device: Count = 2
    """Number of shards per device: about the maximum number of classes of a device."""


@final
class ByColumn(Settings):
    """Natural partition: samples with one value in a column, such as a writer, share a device."""

    kind: Literal["by_column"]
    """Name of the partition."""
    column: Name
    """The column; its values are distributed in a random order, at least one per device."""


@final
class PlugInPartition(Settings):
    """Plug-in partition: a Partitioner of your own; its options stand beside ``kind``."""

    model_config = ConfigDict(extra="allow")

    kind: Annotated[str, Field(json_schema_extra={"not": {"enum": list(PARTITIONS)}})]
    """``package.module:ClassName``, or a name that an installed package registers."""

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return require_known(kind, PARTITIONS, PARTITION_ENTRY_POINTS)


AnyPartition: TypeAlias = Annotated[
    Annotated[Iid, Tag("iid")]
    | Annotated[Dirichlet, Tag("dirichlet")]
    | Annotated[Shards, Tag("shards")]
    | Annotated[ByColumn, Tag("by_column")]
    | Annotated[PlugInPartition, Tag(PLUG_IN)],
    by_kind(dict(zip(PARTITIONS, PARTITIONS, strict=True))),
]


@final
class Equal(Settings):
    """Equal number of samples per device."""

    kind: Annotated[Literal["equal"], source("paper, section V-A")] = "equal"
    """Name of the law."""


@final
class Lognormal(Settings):
    """Lognormal numbers of samples: exp(sigma Z) with Z standard normal, around the same mean."""

    kind: Literal["lognormal"]
    """Name of the law."""
    sigma: Positive
    """Standard deviation of the logarithm of a device's number of samples."""


AnySizes: TypeAlias = Annotated[Equal | Lognormal, Field(discriminator="kind")]


@final
class Data(Settings):
    """Labelled samples and their partition over the devices."""

    name: Name | None = None
    """Data set with a known name (`movie_reviews`, installed with the quickstart; `sst2 mrpc qnli
    rte cola mnli qqp` and `cifar10 cifar100`, from the Hugging Face hub), or the hub id of any
    other, as `owner/name`. Excludes `path`.
    """
    configuration: Name | None = None
    """Configuration of a set given by its hub id; by default its only one."""
    path: Name | None = None
    """Local directory with `train*` and `validation*` (or, without that, `test*`) files in
    Parquet, CSV or JSON, or with pictures as `train/CLASS/NAME.png`. Excludes `name`.
    """
    columns: Columns | None = None
    """Columns of a set given by its path or hub id; by default found by the names that GLUE and
    CIFAR use.
    """
    train_split: Name | None = None
    """Training split of a set given by its hub id, such as `train` (the default) or
    `train[:10%]`.
    """
    test_split: Name | None = None
    """Test split of a set given by its hub id; by default `validation`, or else
    `test`.
    """
    share: Annotated[Annotated[float, Field(gt=0, le=1)] | None, source("paper, section V-A")] = (
        None
    )
    """Share of the training samples per device, the mean over devices; by default 1 / K."""
    overlap: bool = False
    """Whether devices may hold the same samples: each draws its share from all of them."""
    partition: AnyPartition = Iid()
    """Partition of the samples over the devices."""
    sizes: AnySizes = Equal()
    """Number of samples per device."""
    test_size: Count | None = None
    """Number of test samples in an evaluation; by default all. They are drawn once, by the seed:
    every evaluation and every policy uses the same ones.
    """

    @property
    def is_known(self) -> bool:
        """Whether the data set has a known name."""
        return self.name in (*TEXTS, *IMAGES)

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if self.name is not None and self.path is not None:
            raise ValueError("name and path exclude each other; keep one")
        if self.name is None and self.path is None:
            raise ValueError(
                "needs name (a known data set or a hub id) or path (a local directory)"
            )
        if self.name is not None and not self.is_known and "/" not in self.name:
            known = ", ".join((*TEXTS, *IMAGES))
            raise ValueError(
                f"name = '{self.name}' is neither a hub id, as owner/name, nor one of: {known}"
            )
        return self

    @model_validator(mode="after")
    def _own_columns(self) -> "Data":
        if self.columns is not None and self.is_known:
            raise ValueError("columns belongs to a path or a hub id; a known data set has its own")
        for key in ("configuration", "train_split", "test_split"):
            if getattr(self, key) is not None and (self.is_known or self.name is None):
                raise ValueError(f"{key} belongs to a set given by its hub id")
        return self

    @model_validator(mode="after")
    def _possible(self) -> "Data":
        if self.overlap and self.partition.kind != "iid":
            raise ValueError(
                f"overlap needs partition.kind = 'iid', and it is '{self.partition.kind}'"
            )
        fixed = self.partition.kind in ("shards", "by_column")
        if fixed and self.sizes.kind != "equal":
            raise ValueError(
                f"partition.kind = '{self.partition.kind}' sets the sizes; leave sizes out"
            )
        if self.partition.kind == "by_column" and self.share is not None:
            raise ValueError("partition.kind = 'by_column' sets the shares; leave share out")
        return self
