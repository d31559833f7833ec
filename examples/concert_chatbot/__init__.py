"""A concert guide that remembers: a chatbot service over `recollect.adapters.conversation`, with no model needed."""
