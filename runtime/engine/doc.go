// Package engine runs SmallThinker models out of .stm files: a mixture-of-experts transformer with ReGLU experts, whose
// router speaks before attention so that experts can be fetched meanwhile.
//
//	r, err := format.Open("model.stm")
//	engine, err := engine.Open(r, engine.Options{})
//	defer e.Close()
//	session := e.NewSession()
//	logits, err := session.Forward(ctx, tokens)    // the prompt, in batches
//	for {
//		id := sampler.Sample(logits)
//		logits, err = session.Forward(ctx, []int32{id})
//	}
//
// An [Engine] holds the weights and a pool of threads, a [Session] one sequence: its KV cache and working memory. Sessions
// of one engine take turns; Forward may be called by several goroutines, one runs at a time.
//
// The files follow one token: engine.go opens and binds the weights (weights.go), forward.go walks the layers, router.go
// picks experts, store.go brings them, out of the mapped file (store_mapped.go) or, within a memory budget (budget.go), into
// slots that they share (store_streamed.go), attention.go attends over kvcache.go with the angles of rope.go, experts.go runs
// the feed-forward, sampler.go picks the next token. All of them hand their work to the threads of pool.go, in parts whose
// results do not depend on who computes them; profile.go counts the time by stage, and observe.go shows what flows through to who wants to
// know. The loops that take the time are in package kernel, what stays in memory is decided by package cache, and package activity
// tells what experts do on a text.
package engine
