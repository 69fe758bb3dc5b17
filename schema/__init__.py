"""The msgspec structs and enums that every other package uses. Data only; imports none of our other packages."""
