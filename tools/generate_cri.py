#!/usr/bin/env python3
"""Compile the protocol files of `kubelet/runtime`, `cel` and `apiserver/encryption` into the committed `*_pb2.py` and
`*_pb2.pyi`.

Those of `kubelet/runtime` have services, too: `*_pb2_grpc.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

SOURCE_ROOT = Path(__file__).resolve().parent.parent / "src"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
SERVICES = sorted((SOURCE_ROOT / "pybernetes/kubelet/runtime").glob("*.proto"))
MESSAGES = [
    *sorted((SOURCE_ROOT / "pybernetes/cel").glob("*.proto")),
    *sorted((SOURCE_ROOT / "pybernetes/apiserver/encryption").glob("*.proto")),
]


def main() -> int:
    return compile_protos(SERVICES, f"--grpc_python_out={SOURCE_ROOT}") or compile_protos(MESSAGES)


def compile_protos(protos: Sequence[Path], *more: str) -> int:
    return int(
        protoc.main(
            [
                "protoc",
                f"--proto_path={SOURCE_ROOT}",
                f"--proto_path={WELL_KNOWN}",
                f"--python_out={SOURCE_ROOT}",
                f"--pyi_out={SOURCE_ROOT}",
                *more,
                *map(str, protos),
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
