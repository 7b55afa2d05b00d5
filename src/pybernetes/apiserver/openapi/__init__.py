"""OpenAPI documents of the served API, versions 3 (a document per group and version) and 2 (one document)."""
