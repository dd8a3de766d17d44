"""From a period to the batches of a Lightning run."""
