/** The protocol that a laboratory begins with; every line is explained in docs/how-to/validate.md. */
export const EXAMPLE = `title = "Validation of HemoSight, films of suspected acute leukemia"
laboratory = ""
intended_use = "A second look at single cells; people decide every cell."
written_by = ""
written_on = 2026-01-01
reference = "cells signed at the review desk"

[cells]
sources = []           # scanner profiles; all where empty
least = 20             # cells that a case must have
least_reviewed = 0.9   # share of them that people labelled
count = 200            # of one count, as in CLSI H20-A2

[finding]
type = "blast"
cells = 1              # a case is positive with one blast or more ...
percent = 5            # ... that are 5% of its leukocytes

[repeats]
cases = 8

[limits]               # what is not named is measured and not required
least_macro_f1 = 0.70
least_found = 0.80     # share of blasts read so
most_false = 0.15      # share of other cells read as blast
most_bias = 10         # per cent points, any type
most_calibration_error = 0.10
`;
