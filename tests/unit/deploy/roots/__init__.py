"""`./run on`: the mirror, the suite, and what is said when neither can be had."""
