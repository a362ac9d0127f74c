"""HTTP: checks the request, calls one function, shapes the answer. Status numbers live only here."""
