"""The rules of the management service.

Services take a database connection or engine, a clock and an actor, know no HTTP, and are used by the REST API,
the pages and the command line alike.
"""
