"""How many rounds of hashing a SCRAM sign-in may ask for, whichever library makes them."""

MIN_ROUNDS = 4_096  # RFC 5802, 5.1: from a proof made with fewer the password is cheap to guess
MAX_ROUNDS = 200_000  # a tenth of a second of CPU; 4,096 to 15,000 are common
TOO_MANY_ROUNDS = f"the sign-in asks for more than {MAX_ROUNDS:,} rounds of hashing"
TOO_FEW_ROUNDS = f"the sign-in asks for fewer than {MIN_ROUNDS:,} rounds of hashing"
