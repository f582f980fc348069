"""The web pages: routes that parse a form, call one service, and render a template."""
