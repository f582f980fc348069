"""One module per command; `table.py` lists them."""
