"""The vocabulary: objects, their shapes, errors, selectors, quantities and patches. No I/O; imports nothing of ours."""
