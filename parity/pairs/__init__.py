"""Two models that are meant to be the same: carry the weights from one to the other."""
