"""What happened in the sandbox's business: who bought what, when, and what came of it; no JSON yet."""
