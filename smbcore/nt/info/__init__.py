"""Information classes and control codes of [MS-FSCC], encoded and decoded."""
