"""The assembly of each process: small functions that wire rooms together, and nothing else.

apiserver.py     the store and the API server
controllers.py   controllers and scheduler
node.py          containerd, kubelet, Service proxy, DNS (or hollow kubelets)
"""
