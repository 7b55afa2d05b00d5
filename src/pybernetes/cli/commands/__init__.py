"""One file per command of p8s: its options, and a short body that calls the rooms."""
