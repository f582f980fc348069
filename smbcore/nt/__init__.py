"""NT vocabulary: status codes, times, SIDs, security descriptors, names and information classes."""
