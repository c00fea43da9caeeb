"""PostgreSQL, the one database and the one queue: tables, migrations, and one module of queries for each noun."""
