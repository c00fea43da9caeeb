"""The laboratory: studies, charts, the report, packing of bundles, benchmarks."""
