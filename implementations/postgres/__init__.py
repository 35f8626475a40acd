"""PostgreSQL as source and as target, over ADBC: rows travel in its binary COPY, Arrow at both ends."""
