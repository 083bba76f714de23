package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// A call that is cancelled while the next pass is being chosen lets nobody read what is its session's: the session runs something else at once,
// or is closed. The race detector sees it.
func TestCancelWhileChosen(t *testing.T) {
	e := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for i := range 100 {
				s, err := e.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%10)*100*time.Microsecond)
					if _, err := s.Forward(ctx, []int32{1}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
				}
				s.Close()
			}
		})
	}
	wg.Wait()
}

// Close beside a pass that reads rows of the embedding table from the file.
func TestCloseWhileLookingUp(t *testing.T) {
	path := write(t, variant(func(s *modeltest.Shape) { s.Untied = true }), quant.Q8_0)
	for range 10 {
		e := stream(t, reader(t, path), engine.Options{Threads: 2}, 0)
		s := session(t, e)
		running, err := make(chan struct{}, 1), make(chan error)
		go func() {
			for {
				if _, e := s.Forward(t.Context(), []int32{1}); e != nil {
					err <- e
					return
				}
				s.Truncate(0)
				select {
				case running <- struct{}{}:
				default:
				}
			}
		}()
		<-running
		e.Close()
		if err := <-err; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("error is %v, want ErrClosed", err)
		}
	}
}

// layerLog writes down which layers run with how many tokens, and calls first in the first layer of the first batch of a long prompt.
type layerLog struct {
	topK  int
	first func()
	log   []string
}

func (o *layerLog) ExpertsUsed(layer int, experts []int32, _ []float32, _ []int32) {
	n := len(experts) / o.topK
	o.log = append(o.log, fmt.Sprintf("%d:%d", n, layer))
	if n > 16 && o.first != nil {
		o.first()
		o.first = nil
	}
}

// A token that comes while a long prompt is in a layer's attention is served before the layer's experts, or its network.
func TestInterjectInLayer(t *testing.T) {
	for name, shape := range map[string]modeltest.Shape{"experts": manyExperts(), "dense": manyLayers()} {
		e := openReader(t, reader(t, write(t, shape, quant.Q4_0)), engine.Options{Threads: 2, Parallel: 2})
		tokens := prompt(40, 50)
		wantLong := slices.Clone(forward(t, session(t, e), tokens...))
		chat, long := session(t, e), session(t, e)
		forward(t, chat, 3, 1, 4)
		want := slices.Clone(forward(t, chat, 1))
		chat.Truncate(3)
		var wg sync.WaitGroup
		served := false
		e.FirstBetween(func() {
			wg.Go(func() {
				if got, err := chat.Forward(t.Context(), []int32{1}); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: beside a prompt a token has other logits, or an error: %v", name, err)
				}
			})
			engine.Eventually(t, "the token is in the queue", func() bool { return e.Waiting() == 2 })
		}, func() { served = e.Waiting() == 1 })
		if got := forward(t, long, tokens...); !slices.Equal(got, wantLong) {
			t.Errorf("%s: with a token in its layer a prompt has other logits", name)
		}
		wg.Wait()
		if !served {
			t.Errorf("%s: the token waited for the end of the layer", name)
		}
	}
}

// A single token, or a few, that come while a long prompt is run are served before the prompt's next layer, and their bits are those that they have
// alone; so are the prompt's. An engine for one sequence at a time runs one after the other.
func TestInterject(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	tokens := prompt(40, 50)
	for name, open := range map[string]func(parallel int) *engine.Engine{
		"mapped": func(n int) *engine.Engine {
			return openReader(t, reader(t, path), engine.Options{Threads: 2, Parallel: n})
		},
		"streamed": func(n int) *engine.Engine {
			return stream(t, reader(t, path), engine.Options{Threads: 2, Parallel: n, Context: 512}, 1<<20)
		},
	} {
		for _, parallel := range []int{1, 2} {
			for _, more := range [][]int32{{1}, {1, 2, 3}} {
				e := open(parallel)
				wantLong := slices.Clone(forward(t, session(t, e), tokens...))
				chat, long := session(t, e), session(t, e)
				forward(t, chat, 3, 1, 4)
				want := slices.Clone(forward(t, chat, more...))
				chat.Truncate(3)
				var wg sync.WaitGroup
				o := &layerLog{topK: e.Config().TopK(), first: func() {
					wg.Go(func() {
						if got, err := chat.Forward(t.Context(), more); err != nil || !slices.Equal(got, want) {
							t.Errorf("beside a prompt %d tokens have other logits, or an error: %v", len(more), err)
						}
					})
					engine.Eventually(t, "the tokens are in the queue", func() bool { return e.Waiting() == 2 })
				}}
				e.ObserveExperts(o)
				if got := forward(t, long, tokens...); !slices.Equal(got, wantLong) {
					t.Error("with a token between its layers a prompt has other logits")
				}
				wg.Wait()
				var quick, batch []string
				for l := range e.Config().Layers {
					quick, batch = append(quick, fmt.Sprintf("%d:%d", len(more), l)), append(batch, fmt.Sprintf("%d:%d", len(tokens), l))
				}
				ran := slices.Concat(batch[:1], quick, batch[1:])
				if parallel == 1 {
					ran = slices.Concat(batch, quick)
				}
				if !slices.Equal(o.log, ran) {
					t.Errorf("%s, %d sequences: layers run as %v, want %v", name, parallel, o.log, ran)
				}
			}
		}
	}
}
