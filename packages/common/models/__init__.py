"""The pydantic models of the configuration and of the metadata beside each payload."""
