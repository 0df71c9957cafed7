"""`python -m cryptopattern_tests.samples --to data/samples` writes the bundled sample anew."""

import shutil
from pathlib import Path

import click

from cryptopattern_tests.samples.archive import write_archive
from cryptopattern_tests.samples.landing import write_landing
from cryptopattern_tests.samples.market import simulate
from cryptopattern_tests.samples.readme import MARKER, write_words


def write_sample(to: Path) -> None:
    """Write the whole sample into a folder that is new, empty, or holds an earlier sample.

    Raises:
        click.ClickException: the folder holds something else.
    """
    if to.exists() and any(to.iterdir()):
        if not (to / MARKER).is_file():
            raise click.ClickException(f"{to} holds other files (no {MARKER} in it): name a new or an empty folder")
        for part in ("data", "landing"):
            shutil.rmtree(to / part, ignore_errors=True)
    to.mkdir(parents=True, exist_ok=True)
    market = simulate()
    write_words(market, to)
    write_archive(market, to)
    write_landing(market, to)


@click.command()
@click.option("--to", required=True, type=click.Path(path_type=Path, file_okay=False), help="folder to write into")
def main(to: Path) -> None:
    """Write the bundled sample: a simulated market and screenshots drawn from it."""
    write_sample(to)
    files = [path for path in to.rglob("*") if path.is_file()]
    click.echo(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.2f} MB in {to}")


if __name__ == "__main__":
    main()
