"""Who people are: the rules of identity and of what is known about a person. Pure."""
