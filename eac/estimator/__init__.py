"""The estimator: fit, update and predict from Python and notebooks, by the code of the commands."""
