"""Values that are encrypted before they are stored: what an operator asks for, and how it is done."""
