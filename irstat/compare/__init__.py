"""Two models side by side: are they the same network, and where do they differ?"""

from irstat.compare.comparison import Comparison
from irstat.compare.run import compare

__all__ = ["Comparison", "compare"]
