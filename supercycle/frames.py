"""A job's metrics as a pandas DataFrame, for those who have pandas."""

from typing import TYPE_CHECKING

from supercycle.transport import Json

if TYPE_CHECKING:
    import pandas


def as_frame(columns: Json, *, index: str) -> "pandas.DataFrame":
    """Columns of numbers as a frame with one of them as its index; what is not finite is NaN.

    ImportError without pandas.
    """
    try:
        import pandas  # noqa: PLC0415 - the client works without it
    except ModuleNotFoundError as error:
        raise ImportError("a DataFrame needs pandas, which the client does not bring: pip install pandas") from error
    rows = pandas.Index(columns.get(index, []), name=index, dtype="int64")
    return pandas.DataFrame(
        {name: pandas.Series(column, index=rows, dtype="float64") for name, column in columns.items() if name != index},
        index=rows,
    )
