// Package engine runs transformer models out of .stm files, for any number of sequences at once: mixtures of experts, whose experts are streamed
// from disk where memory is short, and dense models.
//
//	r, err := format.Open("model.stm")
//	e, err := engine.Open(ctx, r, engine.Options{Parallel: 4})
//	defer e.Close()
//	s, err := e.NewSession()
//	defer s.Close()
//	logits, err := s.Forward(ctx, tokens)    // the prompt, in batches
//	for {
//		id := sampler.Sample(logits)
//		logits, err = s.Forward(ctx, []int32{id})
//	}
//
// An [Engine] holds the weights, a pool of threads and all scratch; a [Session] is one sequence and holds its KV cache. Calls of Forward that come
// together share a pass: it reads the weights, and experts from the disk, once for all of them. A sequence's bits do not depend on what runs
// beside it, nor on the number of threads, nor on the memory budget, unless Options.PreferCached is set.
//
// The files follow one token:
//
//	session.go      takes the call; draft.go checks several guessed tokens in one pass, and kvundo.go takes back what wrong ones wrote
//	queue.go        has it wait for its turn, and scheduling.go chooses the pass in which it runs
//	pass.go         takes it through the layers, with activations that pass_place.go finds room for; an architecture, such as smallthinker.go, writes
//	                its layer in the operations of residual.go, product.go and attend.go
//	router.go       picks experts (prefer.go: in favour of those in memory)
//	store.go        brings them: out of the mapped file (store_mapped.go) or, within a memory budget (budget.go), into slots that they share
//	                (store_streamed.go). foresee.go guesses what a later router will choose, with those of
//	                foresee_routers.go; store_expect.go lists what is to be read, and
//	                store_slots.go finds a slot for it; threads (store_reads.go) or an io_uring (store_ring.go) read; store_compare.go compares a sample
//	                of that with the checksums. breathe.go changes how many slots there are, and store_lend.go has some in the memory of batches while
//	                single tokens are generated. rows.go reads token embeddings, of which rows_kept.go keeps some
//	attention.go    attends over kvcache.go with the angles of rope.go
//	ffn.go          runs feed-forward networks: of ReLU, whose inactive neurons are skipped (relu.go; ordered.go sums their outputs up), of dense
//	                activations (gated.go), and of layers that leave out most neurons (sparse.go); ffn_stream.go reads those of dense models that
//	                do not fit in memory
//	altup.go        and perlayer.go hold what only Gemma 3n has
//	predict.go      computes logits; sparsehead.go only those of the rows of the head that are predicted to matter
//
// All of them hand their work to the threads of pool.go, in parts whose results do not depend on which thread computes them. threads.go finds how many
// there are, measure.go measures with how many a token is fastest, and measure_streaming.go how fast a disk is beside computing. options.go says how a
// model runs, open.go opens it and close.go closes it. memory.go takes memory outside Go's heap and counts it, reserve.go moves it between experts and KV
// caches, and cacheplan.go predicts how a model runs with less of it. pages.go looks after the pages of the mapped file, and pressure.go tells how scarce
// memory is. profile.go counts the time by stage, timeline.go records when things happen, notes.go notes what a trace is told, and observe.go passes
// activations to observers. The loops that take the time are in package kernel; which experts stay in memory is decided by package experts.
//
// Other files are parts of these: attention_rows.go computes many tokens at once; store_replace.go, store_wait.go and store_idle.go tell what becomes of
// reads that fail, who waits for them, and when the cache is filled; ffn_pieces.go cuts up the networks of dense models, and ffn_load.go reads them
// once; cacheplan_replay.go reads a trace for a plan; dense.go and weights.go hold what every token needs, snapshot.go keeps a KV cache, stats.go counts.
// blocks.go goes on with what follows from a part of a product, comparehead.go compares predicted rows of the head with all of them, residents.go tells
// which experts are in memory. kvtype.go, routing.go and reads.go are what a caller may choose: the KV cache's type, the experts of a token, the reads in
// flight. bandwidth.go measures memory, diskspeed.go a disk, and disk_meter.go how busy it is in a run.
//
// # Words
//
// A slot has room for one expert. It is free while it holds none. The first slots are lent: they lie in the memory of a batch's activations, which reclaims
// it. A share is a part of the memory, and the weight of an expert for a token; layers share keys and values if later ones attend to those of an earlier
// one, as in Gemma 3n. What is resident stays in memory. A draft's token is accepted if the model would have chosen it.
package engine
