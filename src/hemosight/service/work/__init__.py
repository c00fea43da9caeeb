"""Background work: the job queue, the worker that reads crops, the pool of worker processes."""
