"""Tables, records and configuration that outlive a process or are shown to people."""
