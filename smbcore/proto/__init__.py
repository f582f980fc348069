"""The sans-IO half of a connection, shared by server and client.

Frames, message ids and credits, compounds, signing, sealing.
"""
