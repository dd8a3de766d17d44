"""What a process of a run holds of the network: all of it, or its share of the sensors."""
