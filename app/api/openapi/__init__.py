"""The parts of the OpenAPI document: schemas of requests and responses, parameters, headers, examples."""
