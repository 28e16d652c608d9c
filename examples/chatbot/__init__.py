"""A chatbot: intents of CLINC150, and what is out of scope."""
