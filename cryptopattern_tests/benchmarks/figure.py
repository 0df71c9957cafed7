"""What a benchmark reports."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured figure: ours, the rival's on the same work and in the same unit (None where there is no rival).

    `ratio` is how many times better ours is: ours over the rival's, or the rival's over ours where less is better
    (seconds, bytes).
    """

    name: str
    ours: float
    rival: float | None
    unit: str
    less_is_better: bool = field(default=False, kw_only=True)

    @property
    def ratio(self) -> float | None:
        """How many times better ours is, None without a rival, or against one that has nothing."""
        worse = self.ours if self.less_is_better else self.rival
        if self.rival is None or not worse:
            return None
        return self.rival / self.ours if self.less_is_better else self.ours / self.rival

    def as_json(self) -> dict[str, str | float | None]:
        """The figure as one JSON object."""
        return {"name": self.name, "ours": self.ours, "rival": self.rival, "unit": self.unit, "ratio": self.ratio}

    def __str__(self) -> str:
        rival = "no rival" if self.rival is None else f"rival {self.rival:,.4g} {self.unit}"
        ratio = "" if self.ratio is None else f"  ratio {self.ratio:,.3g}"
        return f"{self.name}: ours {self.ours:,.4g} {self.unit}  {rival}{ratio}"
