"""The verb request: any other call, its response as rows."""
