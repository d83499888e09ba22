"""Models, labels, training and evaluation. Nothing is built here yet."""
