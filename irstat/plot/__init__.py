"""Pictures of profiles and reports: bars per layer, roofline, activation memory. matplotlib is imported when one is drawn.

import irstat
from irstat.plot.draw import figure

figure(irstat.profile("model.onnx"))         # a matplotlib Figure
irstat.profile("model.onnx").plot("time.svg")  # a file: .png, .svg or .html
"""
