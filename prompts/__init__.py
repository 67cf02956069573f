"""What the Reasoners know and say: the knowledge base and the prompt templates, as YAML."""
