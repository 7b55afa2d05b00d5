#!/usr/bin/env python3
"""Compile `kubelet/runtime/cri_v1.proto` into the committed `cri_v1_pb2.py`, `.pyi` and `cri_v1_pb2_grpc.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

SOURCE_ROOT = Path(__file__).resolve().parent.parent / "src"
PROTO = SOURCE_ROOT / "pybernetes/kubelet/runtime/cri_v1.proto"


def main() -> int:
    return int(
        protoc.main(
            [
                "protoc",
                f"--proto_path={SOURCE_ROOT}",
                f"--python_out={SOURCE_ROOT}",
                f"--pyi_out={SOURCE_ROOT}",
                f"--grpc_python_out={SOURCE_ROOT}",
                str(PROTO),
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
