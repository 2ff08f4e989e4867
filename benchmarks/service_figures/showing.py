"""How figures are printed: what was measured, on what, how often, and what was wanted."""

from statistics import median, quantiles


def p95(values: list[float]) -> float:
    """The value that 19 of 20 do not exceed."""
    return quantiles(values, n=20, method="inclusive")[18] if len(values) > 1 else values[0]


def show(what: str, values: list[float], *, unit: str, target: str, digits: int = 3) -> None:
    """One line of the table."""
    figures = {"p50": median(values), "p95": p95(values), "least": min(values), "most": max(values)}
    text = ", ".join(f"{name} {value:.{digits}f}" for name, value in figures.items())
    print(f"{what}: {text} {unit} (n={len(values)}; target: {target})", flush=True)


def say(what: str, figures: str, *, target: str) -> None:
    """One line that is no distribution."""
    print(f"{what}: {figures} (target: {target})", flush=True)
