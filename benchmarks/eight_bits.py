"""Numbers of 8 bits in place of single precision and bfloat16: whether they are quicker, and what they cost.

    python benchmarks/eight_bits.py --data DATA        # needs the [dev] and [fast] extras

The default bundle's network is brought to 8 bits by onnxruntime (convolutions and sums; weights per channel, ranges
between the least and the largest value met on some crops of each laboratory) and read by OpenVINO, in turns with the
network as it is. Printed are the least processor milliseconds a crop over rounds, on one thread, and the cosine between
each crop's vector and the reference's, on other crops than those the ranges come from.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import openvino
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from hemosight.engine import backends
from hemosight.engine.backends import BATCH, REFERENCE
from hemosight.engine.bundle import Bundle, load
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.sources import read

CALIBRATION, MEASURED, ROUNDS = 50, 60, 6
"""Crops of each laboratory that the ranges come from, and that are measured; rounds."""


class _Crops(CalibrationDataReader):
    def __init__(self, pixels: Pixels) -> None:
        self._batches: Iterator[Pixels] = iter(np.array_split(pixels, max(1, len(pixels) // 10)))

    def get_next(self) -> Any:  # None at the end, which its declaration does not say
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def crops(data: Path, bundle: Bundle) -> tuple[Pixels, Pixels]:
    """Prepared crops for the ranges, and others to measure."""
    catalog = read(data).readable()
    rng = np.random.default_rng(0)
    parts: tuple[list[Pixels], list[Pixels]] = ([], [])
    sources = np.array(catalog.table["source"].to_list(), np.str_)
    for source in np.unique(sources):
        rows = rng.permutation(np.flatnonzero(sources == source))[: CALIBRATION + MEASURED]
        for place, row in enumerate(rows):
            pixels = decode(read_bytes(Path(catalog.table["path"][int(row)])))
            scale = float(catalog.table["scale"][int(row)] or 1.0)
            parts[place >= CALIBRATION].append(bundle.preprocessing(pixels, scale))
    return np.stack(parts[0]), np.stack(parts[1])


def eight_bits(bundle: Bundle, pixels: Pixels, folder: Path) -> bytes:
    """The network with convolutions and sums in 8 bits."""
    flat, small = folder / "flat.onnx", folder / "int8.onnx"
    options = onnxruntime.SessionOptions()
    # Constants computed and norms melted into convolutions first: only then are there convolutions to bring down.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(flat)
    onnxruntime.InferenceSession(bundle.encoder, options, providers=["CPUExecutionProvider"])
    quantize_static(
        str(flat),
        str(small),
        _Crops(pixels),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        op_types_to_quantize=["Conv", "Add"],
        calibrate_method=CalibrationMethod.MinMax,
    )
    return small.read_bytes()


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    bundle = load()
    calibration, measured = crops(options.data, bundle)
    vino: Any = openvino  # its stubs contradict themselves
    core = vino.Core()

    def compiled(data: bytes, precision: str) -> Any:
        model = core.read_model(data)
        model = vino.Model([model.output("embedding")], model.get_parameters())
        shape = model.inputs[0].partial_shape
        shape[0] = BATCH
        model.reshape({model.inputs[0]: shape})
        facts = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        return core.compile_model(model, "CPU", facts).create_infer_request()

    with TemporaryDirectory() as folder:
        small = eight_bits(bundle, calibration, Path(folder))
    ways = {name: compiled(bundle.encoder, precision) for name, precision in (("single", "f32"), ("bfloat16", "bf16"))}
    ways["8 bits"] = compiled(small, "f32")
    measured = measured[: len(measured) // BATCH * BATCH]
    reference = backends.make(REFERENCE, bundle.encoder, 1).vectors(measured)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[Any]] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.process_time()
            found[name] = [
                np.array(way.infer({0: measured[start : start + BATCH]})[0]) for start in range(0, len(measured), BATCH)
            ]
            taken[name].append(time.process_time() - begun)
    print(f"{len(measured)} crops")
    for name in ways:
        cosines = np.einsum("ij,ij->i", np.concatenate(found[name]), reference)
        milliseconds, median = 1000 * min(taken[name]) / len(measured), float(np.median(cosines))
        print(f"{name:9} {milliseconds:5.2f} ms a crop, cosine {cosines.min():.3f} and more, median {median:.3f}")


if __name__ == "__main__":
    main()
