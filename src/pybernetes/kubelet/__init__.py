"""The node agent: makes the pods bound to its node run, and reports what the runtime says about them."""
