"""How quick this machine is with a bundle: throughput and latency of every stage of reading."""

from hemosight.benchmark.report import Report, draw, gather, run
from hemosight.benchmark.stages import stages
from hemosight.benchmark.timing import Machine, Stage, Timing, machine, measure

__all__ = ["Machine", "Report", "Stage", "Timing", "draw", "gather", "machine", "measure", "run", "stages"]
