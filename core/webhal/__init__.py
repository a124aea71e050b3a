"""webhal: one web application file, served by a PC or by a board."""
