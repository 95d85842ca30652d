"""Other years' spellings of the same operations."""
