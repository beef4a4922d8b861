"""Each check holds on a healthy state and fails, in a sentence, on a doctored one."""
