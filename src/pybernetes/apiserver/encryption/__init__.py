"""Values that are encrypted before they are stored: what an operator asks for, how it is done, the store that does it."""
