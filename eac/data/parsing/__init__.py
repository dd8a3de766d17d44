"""How text, numbers and time stamps of files are understood, whatever the layout."""
