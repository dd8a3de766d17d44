"""How inputs are scaled and errors counted, and what the published protocol draws."""
