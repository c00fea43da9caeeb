"""Charts as Vega-Lite: functions of a tidy table that return a specification, one for the report and the page alike.

Building one needs no plotting library; drawing one as SVG or PNG does (:mod:`hemosight.lab.charts.draw`).
"""
