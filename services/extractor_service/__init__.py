"""The extractor: takes what was accepted from the queue and merges it into its stores."""
