"""What is wrong with sensors, or with the network, found while readings come in."""
