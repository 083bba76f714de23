package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/report/reporttest"
)

// Every mode of st inspect works for models without experts, and with some layers without, or says why not.
func TestInspectDense(t *testing.T) {
	dense, mixed := reporttest.Write(t, reporttest.Dense()), reporttest.Write(t, reporttest.Mixed())
	page := filepath.Join(t.TempDir(), "page.html")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{dense}, exitOK, "2 feed-forward networks of 64 neurons, SiLU, in all layers"},
		{[]string{mixed}, exitOK, "2 feed-forward networks of 64 neurons, SiLU, in layers 0, 2"},
		{[]string{dense, "--layers"}, exitOK, "feed-forward networks"},
		{[]string{dense, "--experts"}, exitOK, "no experts"},
		{[]string{mixed, "--experts", "--layer", "2"}, exitOK, "no experts"},
		{[]string{mixed, "--experts", "--layer", "3"}, exitOK, "    3       3"},
		{[]string{dense, "--tensors", "--layer", "1"}, exitOK, "model.layers.1.mlp.up_proj.weight"},
		{[]string{dense, "--verify"}, exitOK, "ok: 25 records"},
		{[]string{dense, "--cache-plan"}, exitOK, "layers kept"},
		{[]string{mixed, "--cache-plan"}, exitFailure, "nothing is known of the experts"},
		{[]string{dense, "--html", page}, exitOK, ""},
		{[]string{mixed, "--html", page, "--force"}, exitOK, ""},
	} {
		o := st(append([]string{"inspect"}, tt.args...)...)
		if o.code != tt.code || !strings.Contains(o.stdout+o.stderr, tt.want) {
			t.Errorf("st inspect %v: %+v, want %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
	f := mustJSON[report.File](t, "inspect", mixed, "--json", "--layers", "--experts", "--tensors")
	if f.Architecture.MoE == nil || len(f.Experts) != 8 || f.Layers[2].FFNBytes == 0 {
		t.Errorf("%+v", f)
	}
	if f := mustJSON[report.File](t, "inspect", dense, "--json", "--experts"); f.Architecture.MoE != nil || f.Parameters.ActivePerToken == 0 {
		t.Errorf("%+v", f)
	}
	if o := st("diff", dense, mixed, "--json"); o.code != exitOK || !strings.Contains(o.stdout, `"class":"dense ffn"`) {
		t.Errorf("%+v", o)
	}
}

// A converted Qwen3-MoE model, whose layers 0 and 2 have no experts, is described as its checkpoint is.
func TestInspectQwen3(t *testing.T) {
	const source = "../../testdata/architectures/qwen3_moe_mixed_shard"
	model := filepath.Join(t.TempDir(), "qwen3.stm")
	must(t, "convert", source, "-o", model, "--type", "bf16", "--quiet")
	from := mustJSON[report.Checkpoint](t, "inspect", source, "--json")
	f := mustJSON[report.File](t, "inspect", model, "--json", "--layers", "--experts")
	if f.Parameters.Total != from.Parameters || f.Architecture.Architecture != "qwen3moe" {
		t.Errorf("%d parameters of %s, the checkpoint has %d", f.Parameters.Total, f.Architecture.Architecture, from.Parameters)
	}
	weights := map[report.Class]int64{}
	for _, x := range from.Sizes {
		weights[x.Class] = x.Parameters
	}
	for _, x := range f.Sizes {
		if x.Parameters != weights[x.Class] {
			t.Errorf("%s: %d parameters, the checkpoint has %d", x.Class, x.Parameters, weights[x.Class])
		}
	}
	for l, x := range f.Layers {
		if dense := l%2 == 0; dense != (x.FFNBytes > 0) || dense != (len(x.Statistics.ExpertRMS) == 0) {
			t.Errorf("layer %d: %+v", l, x)
		}
	}
	if text := must(t, "inspect", model); !strings.Contains(text, "QK norm") || !strings.Contains(text, "SiLU, softmax router, not normalised") {
		t.Error(text)
	}
}

// A file that was cut to a few bytes is damaged, whatever its name: the command line was right.
func TestInspectTinyFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"m.stm", "m"} {
		for n, want := range []string{"", "\x89", "\x89S", "\x89ST", "\x89STM"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"--verify"}, nil, {"--layers"}} {
				if o := st(append([]string{"inspect", path}, args...)...); o.code != exitFailure || o.stdout != "" || !strings.HasPrefix(o.stderr, "st: "+path) ||
					strings.Count(o.stderr, "\n") != 1 {
					t.Errorf("%s of %d bytes, %v: %+v", name, n, args, o)
				}
			}
		}
	}
}

// What counts, records or chooses experts is refused by a model that has none, and leaves no file behind.
func TestDenseHasNoExperts(t *testing.T) {
	dir := t.TempDir()
	model, out := filepath.Join(dir, "dense.stm"), filepath.Join(dir, "out.npy")
	must(t, "convert", "../../testdata/architectures/phi3", "-o", model, "--quiet")
	for _, flag := range []string{"--record-experts", "--trace=" + filepath.Join(dir, "trace"), "--experts-per-token=1", "--prefer-cached=0.1"} {
		o := st("logits", model, "--tokens", "1,2,3", "-o", out, flag)
		if o.code != exitFailure || !strings.Contains(o.stderr, "dense.stm: the model is dense: it has no experts") {
			t.Errorf("%s: %+v", flag, o)
		}
		if files := list(t, dir); len(files) != 1 {
			t.Errorf("%s leaves %v", flag, files)
		}
	}
}
