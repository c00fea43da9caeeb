"""How quick this machine is with a bundle: throughput and latency of every stage of reading."""

from hemosight.lab.benchmark.report import BenchmarkReport, draw, gather, run
from hemosight.lab.benchmark.stages import stages
from hemosight.lab.benchmark.timing import Machine, Stage, Timing, machine, measure

__all__ = ["BenchmarkReport", "Machine", "Stage", "Timing", "draw", "gather", "machine", "measure", "run", "stages"]
