"""Parameter sweeps: what to run, how it runs, where results are kept, how to look at them."""
