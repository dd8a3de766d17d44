"""Who learns, from what, on which nodes; base.py is the contract, one file each."""
