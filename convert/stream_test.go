package convert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"st/convert"
	"st/convert/checkpoint"
	"st/convert/modeltest"
	"st/format/outfile"
	"st/quant"
)

// feed brings the bytes of files, in portions of odd sizes, until it breaks.
type feed struct {
	data  []byte
	rng   *rand.Rand
	most  int
	until int          // bytes that are left before it breaks
	held  atomic.Int64 // bytes that were not released
}

var errBroken = errors.New("the line is broken")

func (f *feed) Next(context.Context) (convert.Portion, error) {
	if len(f.data) == 0 {
		return convert.Portion{}, io.EOF
	}
	if f.until <= 0 {
		return convert.Portion{}, errBroken
	}
	n := min(len(f.data), 1+f.rng.IntN(f.most))
	part := slices.Clone(f.data[:n])
	f.data, f.until = f.data[n:], f.until-n
	f.held.Add(int64(n))
	return convert.Portion{Data: part, Release: func() {
		f.held.Add(-int64(n))
		for i := range part {
			part[i] = 0xff // whoever reads it later makes something else of it
		}
	}}, nil
}

// stream converts path as Run does, in several runs that break at random places, and returns the file.
func stream(t *testing.T, path string, opts convert.StreamOptions, rng *rand.Rand, breaks int) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.stm")
	var done []convert.JobResult
	var position int64
	for ; ; breaks-- {
		s, err := convert.OpenStream(checkpoint.Disk, path, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var all []byte
		for _, name := range s.WeightFiles() {
			data, err := os.ReadFile(name)
			ok(t, err)
			all = append(all, data...)
		}
		file, err := outfile.Continue(out, outfile.Options{})
		ok(t, err)
		defer file.Close()
		a, err := s.Assemble(file)
		ok(t, err)
		good, err := s.Verify(t.Context(), a, done, nil)
		if err != nil || good != len(done) {
			t.Fatalf("%d of %d jobs are as they were: %v", good, len(done), err)
		}
		f := &feed{data: all[position:], rng: rng, most: 1 << (4 + rng.IntN(14)), until: len(all)}
		if breaks > 0 {
			f.until = rng.IntN(len(all))
		}
		results, err := s.Run(t.Context(), a, convert.StreamRun{Feed: f, From: position, Done: slices.Clone(done), Journal: func(more []convert.JobResult, at int64) error {
			if at < position {
				t.Errorf("position %d comes after %d", at, position)
			}
			position, done = at, append(done, more...)
			return nil
		}})
		if errors.Is(err, errBroken) && breaks > 0 {
			file.Close()
			continue
		}
		ok(t, err)
		if n := f.held.Load(); n != 0 {
			t.Errorf("%d bytes were not released", n)
		}
		sources, err := convert.HashFiles(t.Context(), slices.Concat(s.SmallFiles(), s.WeightFiles()))
		ok(t, err)
		if _, err := s.Commit(t.Context(), a, out, results, sources); errors.Is(err, convert.ErrHeadsDiffer) && s.Guessed() && !opts.HeadsDiffer {
			opts.HeadsDiffer = true
			file.Close()
			ok(t, os.Remove(out+outfile.PartialSuffix))
			return stream(t, path, opts, rng, breaks)
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		ok(t, err)
		return data
	}
}

// TestStream: a stream makes the same file as Run, bit for bit, in whatever order the source has its tensors, in one run or in several.
func TestStream(t *testing.T) {
	repeated := func(m *modeltest.Model, change bool) *modeltest.Model {
		h := *m.Tensor("model.embed_tokens.weight")
		h.Name, h.Data = "lm_head.weight", slices.Clone(h.Data)
		if change {
			h.Data[len(h.Data)/2+3] += 1
		}
		m.Tensors = append(m.Tensors, h)
		return m
	}
	type source func(t *testing.T) string
	directory := func(m *modeltest.Model, shards int) source {
		return func(t *testing.T) string {
			dir := t.TempDir()
			ok(t, m.WriteShards(dir, shards))
			return dir
		}
	}
	ggufFile := func(name string, o modeltest.GGUF) source {
		return func(t *testing.T) string { return writeGGUF(t, ggufModels()[name](), o) }
	}
	reversed := small()
	slices.Reverse(reversed.Tensors)
	shuffled := smallQwen3MoE()
	rand.New(rand.NewPCG(7, 7)).Shuffle(len(shuffled.Tensors), func(i, j int) {
		shuffled.Tensors[i], shuffled.Tensors[j] = shuffled.Tensors[j], shuffled.Tensors[i]
	})
	fused, fusedTransposed := smallQwen3MoE(), smallQwen3MoE()
	fused.Fuse(false)
	fusedTransposed.Fuse(true)
	fp8 := larger("qwen3moe")
	fp8.Tensors = toFP8(fp8, block128)
	fp8.Config["quantization_config"] = block128.config
	for name, src := range map[string]source{
		"smallthinker":     directory(small(), 1),
		"shards":           directory(small(), 3),
		"reversed":         directory(reversed, 2),
		"shuffled":         directory(shuffled, 4),
		"qwen3":            directory(smallQwen3(), 1),
		"fused":            directory(fused, 2),
		"fused transposed": directory(fusedTransposed, 1),
		"fp8":              directory(fp8, 1),
		"repeated head":    directory(repeated(small(), false), 2),
		"another head":     directory(repeated(small(), true), 2),
		"gguf":             ggufFile("smallthinker", modeltest.GGUF{Type: quant.Q4_0}),
		"gguf transposed":  ggufFile("smallthinker", modeltest.GGUF{Type: quant.Q8_0, DownTransposed: true}),
		"gguf split":       ggufFile("layered", modeltest.GGUF{Type: quant.F16, Shards: 3}),
		"gguf qwen3moe":    ggufFile("qwen3moe", modeltest.GGUF{Type: quant.Q4_0}),
	} {
		for _, small := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", small), func(t *testing.T) {
				if small {
					defer convert.SmallJobs(1000, 3000)()
				}
				path := src(t)
				for i, opts := range []convert.Options{
					{Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search, Threads: 3, Tool: "test"},
					{Recipe: convert.Recipe{Type: quant.F32}, Threads: 1},
				} {
					out := filepath.Join(t.TempDir(), "m.stm")
					_, err := convert.Run(t.Context(), path, out, opts)
					ok(t, err)
					want, err := os.ReadFile(out)
					ok(t, err)
					rng := rand.New(rand.NewPCG(uint64(i), 3))
					for _, breaks := range []int{0, 4} {
						if got := stream(t, path, convert.StreamOptions{Options: opts}, rng, breaks); !bytes.Equal(got, want) {
							t.Errorf("%d breaks: %d bytes differ from the %d of Run", breaks, len(got), len(want))
						}
					}
				}
			})
		}
	}
}

// TestStreamDamaged: what is no longer in the file as it was made is not counted as done.
func TestStreamDamaged(t *testing.T) {
	defer convert.SmallJobs(1000, 3000)()
	dir := t.TempDir()
	ok(t, small().Write(dir))
	s, err := convert.OpenStream(checkpoint.Disk, dir, convert.StreamOptions{Options: convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}})
	ok(t, err)
	defer s.Close()
	data, err := os.ReadFile(s.WeightFiles()[0])
	ok(t, err)
	file, err := outfile.Continue(filepath.Join(t.TempDir(), "out.stm"), outfile.Options{})
	ok(t, err)
	defer file.Close()
	a, err := s.Assemble(file)
	ok(t, err)
	results, err := s.Run(t.Context(), a, convert.StreamRun{Feed: &feed{data: data, rng: rand.New(rand.NewPCG(1, 1)), most: 5000, until: len(data)},
		Journal: func([]convert.JobResult, int64) error { return nil }})
	ok(t, err)
	noticed, rng := 0, rand.New(rand.NewPCG(3, 4))
	for range 50 {
		at := rng.Int64N(file.Size())
		var old [1]byte
		ok(t, file.ReadAt(old[:], at))
		_, err := file.WriteAt([]byte{old[0] ^ 0x10}, at)
		ok(t, err)
		good, err := s.Verify(t.Context(), a, results, nil)
		ok(t, err)
		if good < len(results) {
			noticed++
		}
		_, err = file.WriteAt(old[:], at)
		ok(t, err)
	}
	if noticed < 10 { // the rest is metadata, which is written at the end, and padding
		t.Errorf("%d of 50 changes were noticed", noticed)
	}
}
