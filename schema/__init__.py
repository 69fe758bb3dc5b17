"""The nouns: msgspec structs and enums that every other room speaks in. Data only; imports nothing of ours."""
