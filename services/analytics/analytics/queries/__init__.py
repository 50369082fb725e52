"""Standing queries: the language, the plan a rule becomes, and what it has to remember of a customer. Pure."""
