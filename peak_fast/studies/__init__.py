"""The parts of ``peak_fast.study``: objectives, points, samplers, storage, the loop, results, figures."""
