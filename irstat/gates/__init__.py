"""Gates for builds: limits on what a model may cost, and on what a change may add, with the layers to blame.

from irstat.gates import check

for result in check(report, {"macs": 5_000_000_000, "peak_activation_bytes": "100MB"}):
    print(result.name, result.status, [blame.name for blame in result.blame])
"""

from irstat.gates.as_markdown import budgets_as_markdown, increases_as_markdown
from irstat.gates.as_text import budget_failures, increase_failures
from irstat.gates.blame import Blame
from irstat.gates.budget import Budget, BudgetResult, check
from irstat.gates.increase import Increase, IncreaseResult, check_increases
from irstat.gates.layer_changes import LayerChange, LayerPair, aligned_layers, layers_by_name

__all__ = [
    "Blame",
    "Budget",
    "BudgetResult",
    "Increase",
    "IncreaseResult",
    "LayerChange",
    "LayerPair",
    "aligned_layers",
    "budget_failures",
    "budgets_as_markdown",
    "check",
    "check_increases",
    "increase_failures",
    "increases_as_markdown",
    "layers_by_name",
]
