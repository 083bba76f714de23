package engine

import "context"

// store brings experts into memory, for one layer of one batch at a time: want, then take until every wanted expert was
// taken, then release what was taken, or abandon all of them if the batch fails in between.
type store interface {
	// want names the experts that a batch of n tokens needs in a layer, and begins to bring them. Layers that have experts are counted
	// from 0.
	want(layer, n int, chosen []chosenExpert)
	// take waits until one more of the wanted experts is in memory and known to be intact, and appends the indexes of all
	// that are to ready. The error names layer and expert.
	take(ctx context.Context, ready []int) ([]int, error)
	// bytes returns the record of the wanted expert i, from take until release.
	bytes(i int) []byte
	// release gives back what take returned.
	release(ready []int)
	// abandon makes everything that is wanted free to be given up.
	abandon()
	// stop ends a take that waits, now and from now on, with ErrClosed; close gives the memory back.
	stop()
	close()
}
