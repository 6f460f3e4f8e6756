"""The merge of one node: labels find their positions, cells their chunks."""
