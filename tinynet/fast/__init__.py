"""The engine room: what makes a graph of ops fast, and changes none of its meaning."""
