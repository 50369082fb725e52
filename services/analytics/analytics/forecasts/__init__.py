"""What the models of the next order and of the next year answer. Pure: numbers in, numbers out."""
