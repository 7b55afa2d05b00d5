#!/usr/bin/env python3
"""Compile the protocol files of `kubelet/runtime` into the committed `*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

SOURCE_ROOT = Path(__file__).resolve().parent.parent / "src"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
PROTOS = sorted((SOURCE_ROOT / "pybernetes/kubelet/runtime").glob("*.proto"))


def main() -> int:
    return int(
        protoc.main(
            [
                "protoc",
                f"--proto_path={SOURCE_ROOT}",
                f"--proto_path={WELL_KNOWN}",
                f"--python_out={SOURCE_ROOT}",
                f"--pyi_out={SOURCE_ROOT}",
                f"--grpc_python_out={SOURCE_ROOT}",
                *map(str, PROTOS),
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
