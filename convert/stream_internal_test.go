package convert

// SmallJobs makes the jobs of streams as small as those of a model of the usual size are against it, until the function that it returns is called.
func SmallJobs(job, near int64) (restore func()) {
	oldJob, oldNear := jobBytes, together
	jobBytes, together = job, near
	return func() { jobBytes, together = oldJob, oldNear }
}

// Guessed reports whether the plan takes the head for a copy of the embeddings although that shows only at the end: see [ErrHeadsDiffer].
func (s *Stream) Guessed() bool { return s.guessed }
