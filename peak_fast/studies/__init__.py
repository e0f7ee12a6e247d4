"""The parts of ``peak_fast.study``: objectives, search points, samplers, storage, the loop, results, figures."""
