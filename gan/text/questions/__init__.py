"""Question answering with facts that can be checked: understand, retrieve, answer or refuse."""
