package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
)

func TestDiff(t *testing.T) {
	in, dir := full(t), t.TempDir()
	rtn := filepath.Join(dir, "rtn.stm")
	must(t, "convert", checkpoint, "-o", rtn, "--encoder", "rtn", "--quiet")

	r := mustJSON[report.Diff](t, "diff", in, tiny(t), "--json", "--quiet")
	if r.Same || len(r.Classes) != 6 || len(r.Tensors) != 24+288+2 || len(r.Meta) != 2 {
		t.Errorf("same is %t, %d classes, %d tensors, %+v", r.Same, len(r.Classes), len(r.Tensors), r.Meta)
	}
	for _, c := range r.Classes {
		switch c.Class {
		case report.Experts, report.Head, report.Attention:
			if c.Values == nil || c.Values.Relative < 0.05 || c.Values.Relative > 0.1 || c.Values.Cosine < 0.99 || c.Changed != c.Tensors {
				t.Errorf("%+v %+v", c, c.Values)
			}
		case report.Norms, report.Routers:
			if c.Changed != 0 {
				t.Errorf("%+v", c)
			}
		}
	}
	for i, x := range r.Tensors {
		if i > 0 && x.Values.Relative > r.Tensors[i-1].Values.Relative {
			t.Errorf("%s comes after %s", x.Name, r.Tensors[i-1].Name)
		}
	}
	text := must(t, "diff", rtn, tiny(t), "--top", "3", "--quiet")
	for _, want := range []string{"option encoder", "3 of 313 tensors that differ", "lm_head", "experts"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(must(t, "diff", rtn, tiny(t), "--all", "--quiet"), "model.layers."); n != 312 {
		t.Errorf("--all lists %d tensors", n)
	}
}

func TestDiffSame(t *testing.T) {
	dir := t.TempDir()
	same, short := filepath.Join(dir, "same.stm"), filepath.Join(dir, "short.stm")
	data, err := os.ReadFile(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{same: data, short: data[:len(data)/2]} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if text := must(t, "diff", tiny(t), same, "--exit-code"); !strings.Contains(text, "the same: all tensors") {
		t.Error(text)
	}
	other := filepath.Join(dir, "other.stm")
	must(t, "convert", checkpoint, "-o", other, "--encoder", "rtn", "--quiet")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{tiny(t), other, "--exit-code", "--quiet"}, exitFailure, "st: the files differ\n"},
		{[]string{tiny(t), other, "--quiet"}, exitOK, ""},
		{[]string{tiny(t), short}, exitFailure, "truncated"},
		{[]string{tiny(t), filepath.Join(dir, "none")}, exitFailure, "none"},
		{[]string{tiny(t)}, exitUsage, "argument B is missing"},
	} {
		if o := st(append([]string{"diff"}, tt.args...)...); o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%v: %+v, want %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
}
