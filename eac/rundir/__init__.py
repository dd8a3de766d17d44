"""A run directory as a whole: who may write in it, what it was asked for, what is done."""
