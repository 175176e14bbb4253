"""Draw a topology: SVG, Mermaid or plain text."""
