"""Create contexts: one small class per context, with the hooks that it needs; `order.py` lists them."""
