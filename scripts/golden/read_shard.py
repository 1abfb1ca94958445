#!/usr/bin/env python3
"""Read the feature shards of an atlas with pyarrow, pandas, Polars and DuckDB, and compare what they see.

    python scripts/golden/read_shard.py ATLAS

Exits with an error unless every reader gets the same rows and the same values in every column. Readers that
are not installed are named and left out; pyarrow is needed:

    pip install pyarrow numpy pandas polars duckdb
"""

import argparse
import glob
import importlib
import os
import sys

import numpy as np
import pyarrow.parquet as pq


def plain(value):
    """A value as Python's own types, so that readers can be compared: bytes, text, numbers, lists, dicts."""
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        if len(value) and isinstance(value[0], (float, np.floating)):
            return np.asarray(value, dtype=np.float32).tolist()
        return [plain(item) for item in value]
    if isinstance(value, (np.floating, float)):
        return float(np.float32(value))
    if isinstance(value, (np.integer, int)):
        return int(value)
    return str(value)


def rows_pyarrow(file):
    return pq.read_table(file).to_pylist()


def rows_pandas(file):
    pandas = importlib.import_module("pandas")
    table = pandas.read_parquet(file)
    rows = table.to_dict("records")
    for row in rows:
        for key, value in row.items():
            if isinstance(value, float) and np.isnan(value):
                row[key] = None  # how pandas says that there is no text
    return rows


def rows_polars(file):
    polars = importlib.import_module("polars")
    return polars.read_parquet(file).to_dicts()


def rows_duckdb(file):
    duckdb = importlib.import_module("duckdb")
    result = duckdb.sql(f"SELECT * FROM read_parquet('{file}')")
    return [dict(zip(result.columns, row)) for row in result.fetchall()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atlas")
    atlas = parser.parse_args().atlas
    files = sorted(glob.glob(os.path.join(glob.escape(atlas), "features", "*.parquet")))
    if not files:
        sys.exit(f"no feature shards in {atlas}")
    readers = {"pandas": rows_pandas, "polars": rows_polars, "duckdb": rows_duckdb}
    total = 0
    seen = set()
    for file in files:
        metadata = pq.read_metadata(file).metadata
        column = metadata[b"feature_column"].decode()
        expected = [plain(row) for row in rows_pyarrow(file)]
        total += len(expected)
        dims = {len(row[column]) for row in expected}
        print(f"{file}: {len(expected)} rows, `{column}` of {sorted(dims)}, columns {', '.join(expected[0])}")
        for name, read in readers.items():
            try:
                module = importlib.import_module(name)
            except ImportError:
                print(f"  {name}: skipped, not installed")
                continue
            got = [plain(row) for row in read(file)]
            if len(got) != len(expected):
                sys.exit(f"{name} sees {len(got)} rows, pyarrow {len(expected)}")
            for index, (row, other) in enumerate(zip(expected, got)):
                for key in row:
                    if row[key] != other.get(key):
                        sys.exit(f"{name} differs in row {index}, column {key}: {other.get(key)!r}, {row[key]!r}")
            seen.add(name)
            print(f"  {name} {module.__version__}: the same")
    print(f"{total} rows in {len(files)} files, read alike by pyarrow, {', '.join(sorted(seen))}")


if __name__ == "__main__":
    main()
