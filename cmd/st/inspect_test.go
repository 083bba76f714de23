package main

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/cmd/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// chdirTiny makes the directory of the tiny model the working directory, so that outputs do not depend on where it is.
func chdirTiny(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Dir(tiny(t)))
}

var (
	fitLine     = regexp.MustCompile(`(?m)^(fits|does not fit|needs ).*$`)
	memoryValue = regexp.MustCompile(` +\d+MiB\b`)
)

// maskMachine takes out of a summary what depends on the machine's and the process's memory.
func maskMachine(s string) string {
	return memoryValue.ReplaceAllString(fitLine.ReplaceAllString(s, "fits …"), "     …MiB")
}

func TestInspectGolden(t *testing.T) {
	golden, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	chdirTiny(t)
	for name, args := range map[string][]string{
		"inspect":        {"inspect", "tiny.stm"},
		"inspect_lists":  {"inspect", "tiny.stm", "--tensors", "--layers", "--experts", "--layer", "3"},
		"inspect_layers": {"inspect", "tiny.stm", "--layers"},
		"inspect_verify": {"inspect", "tiny.stm", "--verify"},
	} {
		path := filepath.Join(golden, name+".golden")
		got := maskMachine(must(t, args...))
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("st %s (-want +got; go test ./cmd/st -update accepts it):\n%s", strings.Join(args, " "), diff)
		}
	}
}

func TestInspectJSON(t *testing.T) {
	r := mustJSON[report.File](t, "inspect", tiny(t), "--json", "--tensors", "--layers", "--experts", "--verify")
	c := r.Architecture
	if c.Architecture != "smallthinker" || c.Layers != 6 || !c.TiedEmbeddings {
		t.Errorf("architecture: %+v", c)
	}
	// Counted by hand: tied embeddings, and for each layer attention, two norms, the router and 16 experts.
	const (
		embedding = 4096 * 192
		attention = 6 * (2*256*192 + 2*128*192)
		norms     = 13 * 192
		routers   = 6 * 16 * 192
		expert    = 3 * 64 * 192
	)
	want := report.Parameters{
		Total:             embedding + attention + norms + routers + 6*16*expert,
		ActivePerToken:    embedding + attention + norms + routers + 6*4*expert,
		ActiveWithoutHead: attention + norms + routers + 6*4*expert,
	}
	if r.Parameters != want {
		t.Errorf("parameters: %+v, want %+v", r.Parameters, want)
	}
	// At 1024 positions two layers keep all of them and four keep 64, keys and values of 2 heads of 64 numbers.
	kv := r.KVCache[len(r.KVCache)-1]
	if positions := int64(2*1024 + 4*64); kv.Context != 1024 || kv.F16 != positions*2*2*64*2 || kv.F32 != 2*kv.F16 || kv.Q8 != kv.F16*34/64 {
		t.Errorf("KV cache: %+v", kv)
	}
	var sum int64
	for _, s := range r.Sizes {
		sum += s.Bytes
	}
	if sum != r.FileBytes {
		t.Errorf("sizes add up to %d, the file has %d", sum, r.FileBytes)
	}
	if r.Tokenizer.VocabSize != 4096 || len(r.Tokenizer.Special) != 3 || !r.ChatTemplate || len(r.Provenance.Sources) != 6 {
		t.Errorf("%+v %+v", r.Tokenizer, r.Provenance)
	}
	if len(r.Layers) != 6 || r.Layers[1].Position != "rope" || r.Layers[1].Window != 64 || r.Layers[4].Position != "nope" || r.Layers[4].Window != 0 {
		t.Errorf("layers: %+v", r.Layers)
	}
	if len(r.Experts) != 96 || r.Experts[17].Layer != 1 || r.Experts[17].Expert != 1 || len(r.Experts[17].Types) != 3 {
		t.Errorf("%d experts, %+v", len(r.Experts), r.Experts[17])
	}
	// Q4_0 takes 18 bytes for 32 weights; a token looks up one row of the table, in Q8_0, and reads the rest.
	const q4 = 18. / 32
	token := report.TokenReads{
		Dense:   204 + int64(attention*q4) + 4*norms + 4*routers + int64(embedding*q4),
		Experts: int64(6 * 4 * expert * q4),
	}
	if r.Token.Dense != token.Dense || r.Token.Experts != token.Experts || r.Token.Bytes != token.Dense+token.Experts || len(r.Token.Parts) != 6 {
		t.Errorf("a token reads %+v, want %+v", r.Token, token)
	}
	if w := 8 * (float64(embedding)*34/32 + (embedding+attention+96*expert)*q4 + 4*(norms+routers)) / (2*embedding + attention + norms + routers + 96*expert); math.Abs(r.BitsPerWeight-w) > 1e-9 {
		t.Errorf("%g bits a weight, want %g", r.BitsPerWeight, w)
	}
	if len(r.Tensors) != 333 || !r.Verify.OK {
		t.Errorf("%d tensors, %+v", len(r.Tensors), r.Verify)
	}
}

func TestInspectDamaged(t *testing.T) {
	data, err := os.ReadFile(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	experts := mustJSON[report.File](t, "inspect", tiny(t), "--json", "--experts").Experts
	for _, e := range []int{5, 40} {
		data[experts[e].Offset+100] ^= 1
	}
	path := filepath.Join(t.TempDir(), "damaged.stm")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	o := st("inspect", path, "--verify")
	lines := strings.Split(o.stdout, "\n")
	if o.code != exitFailure || len(lines) != 3 || !strings.HasPrefix(lines[0], "damaged: layer 0 expert 5: ") ||
		!strings.HasPrefix(lines[1], "damaged: layer 2 expert 8: ") || !strings.Contains(o.stderr, "is damaged") {
		t.Errorf("%+v", o)
	}
	if o := st("inspect", path, "--verify", "--json"); o.code != exitFailure || !strings.Contains(o.stdout, `"ok":false`) {
		t.Errorf("with --json: %+v", o)
	}
	if o := st("inspect", path, "--experts"); o.code != exitFailure || o.stdout != "" ||
		!strings.Contains(o.stderr, "layer 0 expert 5: ") && !strings.Contains(o.stderr, "layer 2 expert 8: ") { // whichever is read first
		t.Errorf("statistics: %+v", o)
	}
	must(t, "inspect", path, "--layers", "--layer", "1") // which is whole
	// What is not asked for is not read.
	must(t, "inspect", path)
	// Running finds the damage when it comes to it.
	o = st("generate", path, "-p", "To be, or not to be", "-n", "200", "--temp", "0")
	if o.code != exitFailure || !strings.Contains(o.stderr, "expert") || !strings.Contains(o.stderr, "checksum") {
		t.Errorf("generate: %+v", o)
	}
}
