"""Configuration of Cloudify 5 to 7, read for what is unsafe or dead, and written anew."""
