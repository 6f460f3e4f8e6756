"""What a cell becomes: numbers, texts and times in the type and unit of their variable."""
