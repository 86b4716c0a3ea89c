"""Ten colors that most color-blind readers tell apart, their markers, and a gray.

References:
    Six of them: P. Tol, "Colour Schemes", SRON/EPS/TN/09-002, the bright scheme.
"""

MARKERS = "os^Dv<>PX*"
GRAY = "#8a8f96"  # seen on light and on dark pages
COLORS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#999933",
    "#cc6633",
    "#88ccaa",
    "#777777",
)
