"""The OpenAPI document's parts: schemas of what is sent and returned, parameters, headers, examples."""
