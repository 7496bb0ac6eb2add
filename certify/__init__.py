"""Claims about top-k sparse attention, decided rigorously."""
