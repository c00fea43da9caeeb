"""Specifications drawn as SVG and PNG by vl-convert: no browser, no network."""

from __future__ import annotations

from hemosight.errors import ExtraMissing
from hemosight.lab.charts.look import Spec, dressed

VERSION = "6.4"


def svg(spec: Spec) -> str:
    """The chart as SVG text.

    Raises :class:`~hemosight.errors.ExtraMissing` where vl-convert is not installed.
    """
    return _converter().vegalite_to_svg(dressed(spec), vl_version=VERSION, allowed_base_urls=[])


def png(spec: Spec, scale: float = 2.0) -> bytes:
    """The chart as a PNG file's bytes; ``scale`` picture pixels to a pixel of the specification."""
    return _converter().vegalite_to_png(dressed(spec), vl_version=VERSION, scale=scale, allowed_base_urls=[])


def _converter():
    try:
        import vl_convert
    except ImportError as error:
        raise ExtraMissing("study", "vl-convert-python") from error
    return vl_convert
