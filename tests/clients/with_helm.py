"""One action of Helm's: `with_helm.py KUBECONFIG NAMESPACE ACTION '{"release_name": …}'` prints its result as JSON.

It runs in an environment of its own, because Helm's package needs a newer Python than the project does.
"""

from __future__ import annotations

import asyncio
import json
import sys

import helm_sdkpy


def main() -> None:
    kubeconfig, namespace, action, arguments = sys.argv[1:]
    configuration = helm_sdkpy.Configuration(namespace=namespace, kubeconfig=kubeconfig)
    try:
        result = asyncio.run(getattr(helm_sdkpy, action)(configuration).run(**json.loads(arguments)))
    except helm_sdkpy.HelmError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"result": result}))


if __name__ == "__main__":
    main()
