"""A torch encoder -> one ONNX file that reads crops anywhere, without torch.

The exported network takes ``pixels`` (uint8, ``[N, size, size, 3]``, as ``Preprocessing`` returns them) and
returns ``features`` (the last feature map, ``[N, L, h, w]``; the mean over turns, turned back) and ``embedding`` (unit
vectors, ``[N, dim]``). With a readout it also states the readout's ``surrogate``, ``[L + 1, dim]``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from torch import Tensor, nn

from hemosight.errors import TrainingFailed
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.preprocess import Preprocessing
from hemosight.training import bundled
from hemosight.training.backbones import DEFAULT_BACKBONE, Encoder, create, load
from hemosight.training.readout import describe
from hemosight.training.readout_fit import CELLS, STRENGTH, fit_on

PARITY = 1e-4
"""Largest difference allowed between torch and the exported network in single precision."""


class _Exported(nn.Module):
    """What the exported network computes; see the module's docstring for its input and outputs."""

    def __init__(self, encoder: Encoder, turns: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.turns = turns

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        upright = pixels.permute(0, 3, 1, 2)
        # A slide has no upright: the mean over quarter turns is nearer to the cell than any one of them.
        quarters = [4 // self.turns * k for k in range(self.turns)]
        seen = [self.encoder.levels(torch.rot90(upright, quarter, (2, 3))) for quarter in quarters]
        turned_back = [torch.rot90(last, -quarter, (2, 3)) for (last, _), quarter in zip(seen, quarters, strict=True)]
        features = torch.stack(turned_back).mean(dim=0)
        readout = self.encoder.readout
        if readout is None:
            return features, nn.functional.normalize(features.mean(dim=(2, 3)), dim=1)
        numbers = torch.stack([describe(levels) for _, levels in seen]).mean(dim=0)
        point = readout(numbers, features.mean(dim=(2, 3)))
        # Written as a sum, for an exporter that may leave out an output which depends on no input.
        return features, nn.functional.normalize(point, dim=1), readout.surrogate + 0.0


def export(
    encoder: Encoder, size: int, file: str | Path | None = None, *, half_weights: bool = False, turns: int = 1
) -> bytes:
    """Export, prove parity with torch, and return the ONNX bytes (written to ``file`` if given).

    Parameters
    ----------
    size
        Side of the square input in pixels.
    half_weights
        Store weights in half precision (half the file); they are widened once when the network is loaded, so
        arithmetic stays in single precision. Parity is proven before the rounding.
    turns
        1, 2 or 4 quarter turns of the crop whose pooled features are averaged into the embedding; as many times the
        work. The feature map is the mean of the turned maps, turned back. A readout should have been fitted for as
        many: numbers of a single turn spread a little wider.

    Raises :class:`~hemosight.errors.TrainingFailed` when any output differs by more than 1e-4, of its own largest value
    where that is above 1.
    """
    module = _Exported(encoder, turns).eval()
    example = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own dependencies
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["pixels"],
            output_names=["features", "embedding", *([] if encoder.readout is None else ["surrogate"])],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            dynamo=True,
            verbose=False,
            optimize=False,
        )
        assert program is not None  # noqa: S101 -- narrows the type; the exporter returns None only when given a file
    # The exporter's own optimisation would melt batch norms into convolutions, and a bundle that was exported so could
    # not be trained on. The runtime melts them when it loads the network, once what is constant has been computed.
    fold_constants(program.model)
    remove_unused_nodes(program.model)
    data = _clean(program.model_proto.SerializeToString())
    difference = parity(encoder, data, size, turns=turns)
    if difference > PARITY:
        raise TrainingFailed(
            code="parity_failed",
            expected=f"a largest difference of at most {PARITY:g} between torch and the exported network",
            came=f"{difference:g}",
            mend="Do not ship this export; report the versions of torch and onnxruntime.",
        )
    if half_weights:
        data = store_half(data)
    if file is not None:
        Path(file).write_bytes(data)
    return data


def parity(encoder: Encoder, data: bytes, size: int, batch: int = 3, seed: int = 1, turns: int = 1) -> float:
    """Largest difference between torch and the exported network on random pixels (a batch of another size).

    Of all outputs, each in its own largest value where that is above 1.
    """
    pixels = np.random.default_rng(seed).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = [np.asarray(array) for array in session.run(None, {"pixels": pixels})]
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in _Exported(encoder, turns).eval()(torch.from_numpy(pixels))]
    return max(
        float(np.abs(one - other).max()) / max(1.0, float(np.abs(other).max()))
        for one, other in zip(found, expected, strict=True)
    )


def store_half(data: bytes) -> bytes:
    """Rewrite large single-precision weights as half precision followed by a cast; the cast folds away at load."""
    model = onnx.load_from_string(data)
    casts = []
    for tensor in model.graph.initializer:
        # Biases, means and deviations are few, and what is subtracted must keep its digits.
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or int(np.prod(tensor.dims)) < 1024:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.widen", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _clean(data: bytes) -> bytes:
    """Drop what the exporter notes about the machine it ran on: paths and stack traces change the hash."""
    model = onnx.load_from_string(data)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    return model.SerializeToString(deterministic=True)


@dataclass(frozen=True)
class Exported:
    """An exported encoder and what must be known to use it."""

    network: bytes
    """The ONNX file."""
    preprocessing: Preprocessing
    backbone: str
    provenance: dict[str, object]


def exported(
    run: str | Path | None = None,
    *,
    backbone: str = DEFAULT_BACKBONE,
    weights: str = "imagenet",
    size: int | None = None,
    turns: int = 1,
    cells: Catalog | None = None,
    share: float = 0.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Exported:
    """Export a trained encoder's run folder, or a backbone with the weights it starts from.

    Parameters
    ----------
    run
        Its losses, where it kept them, become part of the provenance.
    backbone, weights
        Count only where no ``run`` is given. Weights of a bundle bring its preprocessing and provenance.
    size
        Side of the network's input in pixels; the run's or the bundle's own where None, or 224 without either. A
        convolutional network often reads a little better above the size it was trained at (Touvron et al. 2019,
        "Fixing the train-test resolution discrepancy").
    turns
        As for :func:`export`.
    cells
        A readout of all levels is fitted on them, without their labels; where None, the embedding is the average of
        the last feature map, as in the paper.
    share
        Of the last map's average in a mixed readout; 0 reads the levels alone.
    seed, progress
        Of fitting the readout (:func:`hemosight.training.readout_fit.fit_on`).
    """
    provenance: dict[str, object]
    if run is not None:
        encoder, facts = load(run)
        backbone = facts.backbone
        preprocessing = replace(facts.preprocessing, size=size or facts.preprocessing.size)
        provenance = {**facts.provenance, "turns": turns, "trained_size": facts.preprocessing.size}
        if losses := losses_of(Path(run)):
            provenance["training"] = losses
    else:
        encoder = create(backbone, weights).eval()
        if bundled.is_bundle(weights):
            # Its encoder brings its own preprocessing and its provenance.
            packed = bundled.read(weights)
            own = packed.preprocessing
            preprocessing = replace(own, size=size or own.size)
            provenance = {"trained_size": own.size, **packed.manifest.encoder_provenance, "turns": turns}
            provenance.pop("readout", None)  # it is fitted anew, or there is none
        else:
            preprocessing = Preprocessing(size=size or 224)
            provenance = {"weights": weights, "trained": "not on blood cells", "turns": turns}
    if cells is not None:
        encoder.readout = fit_on(encoder, cells, preprocessing, turns=turns, share=share, seed=seed, progress=progress)
        used = min(len(set(cells.ids)), CELLS)
        provenance["readout"] = {"levels": "all", "strength": STRENGTH, "cells": used, "seed": seed}
        if share:
            provenance["readout"] |= {"levels": "mixed", "share": share}
    network = export(encoder, preprocessing.size, half_weights=True, turns=turns)
    return Exported(network, preprocessing, backbone, provenance)


def losses_of(run: Path, most: int = 200) -> list[dict[str, float]]:
    """The losses a run wrote down, as rows ``step``, ``loss``: means over at most so many equal stretches of steps.

    Empty where the folder holds no ``log.csv``, or none of its rows a loss.
    """
    if not (run / "log.csv").is_file():
        return []
    rows = pl.read_csv(run / "log.csv").select(pl.col("step").cast(pl.Int64), pl.col("loss").cast(pl.Float64))
    rows = rows.drop_nulls().sort("step")
    if not len(rows):
        return []
    stretch = -(-len(rows) // most)
    means = rows.with_row_index("row").group_by(pl.col("row") // stretch, maintain_order=True)
    return means.agg(pl.col("step").last(), pl.col("loss").mean().round(5)).select("step", "loss").to_dicts()
