"""MySQL and MariaDB as source and as target, over PyMySQL; rows travel as text, made and read by columns."""
