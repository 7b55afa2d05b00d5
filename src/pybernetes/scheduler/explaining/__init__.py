"""Why a pod is where it is, or nowhere: decisions that were taken, dry runs, and what would have to change."""
