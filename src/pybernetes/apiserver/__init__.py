"""The API server: every request to the cluster enters here; independent of any HTTP library inside."""
