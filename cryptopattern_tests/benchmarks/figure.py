"""What a benchmark reports."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured figure: ours, the rival's on the same work and in the same unit (None where there is no rival).

    `ratio` is how many times better ours is: ours over the rival's, or the rival's over ours where less is better
    (seconds, bytes). A mark is what was to be reached: `mark` by ours, in its unit (at least, or at most where less is
    better), `ratio_mark` by the ratio.
    """

    name: str
    ours: float
    rival: float | None
    unit: str
    less_is_better: bool = field(default=False, kw_only=True)
    mark: float | None = field(default=None, kw_only=True)
    ratio_mark: float | None = field(default=None, kw_only=True)

    @property
    def ratio(self) -> float | None:
        """How many times better ours is, None without a rival, or against one that has nothing."""
        worse = self.ours if self.less_is_better else self.rival
        if self.rival is None or not worse:
            return None
        return self.rival / self.ours if self.less_is_better else self.ours / self.rival

    @property
    def reached(self) -> bool | None:
        """Whether every mark is reached; None where there is none, or no ratio to hold one against."""
        found = []
        if self.mark is not None:
            found.append(self.ours <= self.mark if self.less_is_better else self.ours >= self.mark)
        if self.ratio_mark is not None and self.ratio is not None:
            found.append(self.ratio >= self.ratio_mark)
        return all(found) if found else None

    @property
    def mark_told(self) -> str:
        """The marks in words; '' where there is none."""
        sign = "≤" if self.less_is_better else "≥"
        parts = [] if self.mark is None else [f"{sign} {self.mark:,.4g} {self.unit}".rstrip()]
        if self.ratio_mark is not None:
            parts.append(f"ratio ≥ {self.ratio_mark:,.3g}")
        return ", ".join(parts)

    def as_json(self) -> dict[str, str | float | bool | None]:
        """The figure as one JSON object; its marks where it has one."""
        told: dict[str, str | float | bool | None] = {
            "name": self.name,
            "ours": self.ours,
            "rival": self.rival,
            "unit": self.unit,
            "ratio": self.ratio,
        }
        marks = {"mark": self.mark, "ratio_mark": self.ratio_mark, "reached": self.reached}
        return told | {name: value for name, value in marks.items() if value is not None}

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The figure as a row of a table: HEADINGS."""
        rival = "" if self.rival is None else f"{self.rival:,.4g}"
        ratio = "" if self.ratio is None else f"{self.ratio:,.3g}"
        verdict = {True: " ✓", False: " ✗ missed", None: ""}[self.reached]
        return self.name, f"{self.ours:,.4g}", rival, self.unit, ratio, self.mark_told + verdict

    def __str__(self) -> str:
        rival = "no rival" if self.rival is None else f"rival {self.rival:,.4g} {self.unit}"
        ratio = "" if self.ratio is None else f"  ratio {self.ratio:,.3g}"
        missed = f"  missed: {self.mark_told}" if self.reached is False else ""
        return f"{self.name}: ours {self.ours:,.4g} {self.unit}  {rival}{ratio}{missed}"


HEADINGS = ("figure", "ours", "rival", "unit", "ratio", "mark")
