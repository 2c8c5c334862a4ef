"""Plans in a notebook, as tables of HTML."""

from __future__ import annotations

from tinynet.fast.plan import Plan
from tinynet.inspection.in_html import html_table
from tinynet.inspection.table import LEFT, plan_cells


def plan_in_html(plan: Plan) -> str:
    """Show the calls of a plan, as `table` does, without columns that would be empty."""
    lines = plan_cells(plan)
    names = [name for name in lines[0] if any(line[name] for line in lines)]
    names.sort(key=lambda name: name not in ("#", *LEFT))  # texts first
    rows = [[line[name] for name in names] for line in lines]
    texts = sum(name in ("#", *LEFT) for name in names)
    calls = f"{len(plan.calls):,} call{'s' * (len(plan.calls) != 1)}"
    return html_table(f"Plan of {calls} with {plan.bytes / 1e3:,.0f} kB of buffers", names, rows, texts=texts)


Plan._repr_html_ = plan_in_html  # type: ignore[attr-defined]
