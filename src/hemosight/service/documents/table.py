"""The signed differential as a table: a row a type, with counts, shares, intervals, ranges, flags and codes."""

from __future__ import annotations

import polars as pl

from hemosight.engine.readings import csv
from hemosight.service.documents import codes
from hemosight.service.documents.content import ApartLine, Report, ReportLine, Value

_COLUMNS = {
    "case": pl.String,
    "accession": pl.String,
    "version": pl.Int64,
    "status": pl.String,
    "type": pl.String,
    "title": pl.String,
    "part": pl.String,
    "cells": pl.Int64,
    "percent": pl.Float64,
    "percent_low": pl.Float64,
    "percent_high": pl.Float64,
    "reference": pl.String,
    "flag": pl.String,
    "for_100_leukocytes": pl.Float64,
    "absolute_10e9_l": pl.Float64,
    "absolute_reference": pl.String,
    "absolute_flag": pl.String,
    "reviewed": pl.Int64,
    "not_reviewed": pl.Int64,
    "model_alone": pl.Int64,
    "code": pl.String,
    "code_system": pl.String,
    "absolute_code": pl.String,
    "replaced_by": pl.Int64,
}


def table(report: Report) -> str:
    """The differential as CSV.

    ``part`` is ``whole``, ``finer`` (part of the row above), ``rest`` or ``beside``; what stands beside the leukocytes
    and is part of such a row is ``beside_finer`` or ``beside_rest``. ``replaced_by`` is the newest version of an old
    record.
    """
    head = {
        "case": report.key,
        "accession": report.accession,
        "version": report.version,
        "status": report.status,
        "replaced_by": report.replaced_by,
    }
    rows = [{**head, **_line(line)} for line in report.lines]
    rows += [{**head, **_beside(one)} for one in report.beside]
    return csv(pl.DataFrame(rows, schema=_COLUMNS, orient="row"))


def _line(line: ReportLine) -> dict[str, object]:
    share, absolute = codes.share(line.name, line.title), codes.absolute(line.name, line.title)
    return {
        "type": line.name,
        "title": line.title,
        "part": "rest" if line.rest else "finer" if line.finer else "whole",
        "cells": line.count,
        "percent": line.share.number,
        "percent_low": line.low,
        "percent_high": line.high,
        **_limits("reference", "flag", line.share),
        "absolute_10e9_l": None if line.absolute is None else line.absolute.number,
        **_limits("absolute_reference", "absolute_flag", line.absolute),
        "reviewed": line.reviewed,
        "not_reviewed": line.unreviewed,
        "model_alone": line.before,
        "code": None if line.rest else share.code,
        "code_system": None if line.rest else share.system,
        "absolute_code": None if line.rest or line.absolute is None else absolute.code,
    }


def _beside(one: ApartLine) -> dict[str, object]:
    code = codes.beside(one.name, one.title)
    return {
        "type": one.name,
        "title": one.title,
        "part": "beside_rest" if one.rest else "beside_finer" if one.finer else "beside",
        "cells": one.count,
        **_limits("reference", "flag", one.per_100),
        "for_100_leukocytes": None if one.per_100 is None else one.per_100.number,
        "reviewed": one.reviewed,
        "not_reviewed": None if one.reviewed is None else one.count - one.reviewed,
        "model_alone": one.before,
        "code": None if one.rest else code.code,
        "code_system": None if one.rest else code.system,
    }


def _limits(usual: str, flag: str, value: Value | None) -> dict[str, object]:
    return {usual: "" if value is None else value.range, flag: "" if value is None else value.flag}
