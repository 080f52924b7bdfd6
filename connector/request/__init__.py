"""The verb request: any other call, its answer as rows."""
