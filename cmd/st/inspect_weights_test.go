package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/convert/modeltest"
)

// testGGUF is a file with an expert matrix of two layers' worth of names.
func testGGUF() []byte {
	var b bytes.Buffer
	text := func(s string) {
		binary.Write(&b, binary.LittleEndian, uint64(len(s)))
		b.WriteString(s)
	}
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("GGUF")
	put([]uint32{3, 3, 0, 1, 0}) // version, three tensors, one entry
	text("general.architecture")
	put(uint32(8))
	text("smallthinker")
	for i, name := range []string{"token_embd.weight", "blk.0.ffn_up_exps.weight", "blk.1.attn_q.weight"} {
		text(name)
		put(uint32(2))
		put([]uint64{64, 2})
		put(uint32(2)) // Q4_0
		put(uint64(96 * i))
	}
	b.Write(make([]byte, 400))
	return b.Bytes()
}

func TestInspectWeights(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	torch := filepath.Join(dir, "torch")
	if err := os.Mkdir(torch, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := modeltest.New(modeltest.Shape{Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 32, Vocab: 64, Context: 16}, 1).WriteTorch(torch); err != nil {
		t.Fatal(err)
	}
	shard, err := os.ReadFile(filepath.Join(checkpoint, "model-00001-of-00002.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, kind string
		tensors    int
		known      bool // its architecture
	}{
		{checkpoint, "safetensors", 332, true},
		{filepath.Join(checkpoint, "model.safetensors.index.json"), "safetensors", 332, true},
		{torch, "torch", 16, true},
		{write("alone.safetensors", shard), "safetensors", 0, false},
		{write("nameless", shard), "safetensors", 0, false},
		{write("m.gguf", testGGUF()), "gguf version 3", 3, false},
	} {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			r := mustJSON[report.Checkpoint](t, "inspect", tt.path, "--json", "--tensors")
			if !strings.HasPrefix(tt.kind, r.Kind) || tt.tensors > 0 && len(r.Tensors) != tt.tensors || (r.Architecture != nil) != tt.known {
				t.Errorf("kind %q, %d tensors, architecture %v", r.Kind, len(r.Tensors), r.Architecture)
			}
			var bytes, params int64
			for _, x := range r.Tensors {
				bytes, params = bytes+x.Bytes, params+x.Parameters
			}
			for _, x := range r.Sizes {
				bytes -= x.Bytes
				if x.Class == report.Other {
					t.Errorf("%+v", x)
				}
			}
			if bytes != 0 || params != r.Parameters || params == 0 || r.BitsPerWeight < 4.5 {
				t.Errorf("%d bytes left over, %d parameters of %d, %g bits", bytes, params, r.Parameters, r.BitsPerWeight)
			}
			if text := must(t, "inspect", tt.path); !strings.Contains(text, "experts") || !strings.Contains(text, "parameters in") {
				t.Error(text)
			}
			if text := must(t, "inspect", tt.path, "--layers", "--layer", "0"); strings.Count(text, "\n") != 2 {
				t.Error(text)
			}
			for _, list := range []string{"--layers", "--tensors"} {
				if o := st("inspect", tt.path, list, "--layer", "9"); o.code != exitFailure || o.stdout != "" || !strings.Contains(o.stderr, "has layers 0 to ") {
					t.Errorf("%s --layer 9: %+v", list, o)
				}
			}
			if o := st("inspect", tt.path, "--verify"); o.code != exitUsage || !strings.Contains(o.stderr, "is no .stm file") {
				t.Errorf("--verify: %+v", o)
			}
		})
	}
}

func TestInspectUnknown(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ data, want string }{
		"page.safetensors": {"<!DOCTYPE html><html>", "a web page"},
		"pointer":          {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"},
		"notes.txt":        {"Once upon a time", "none of the files that st knows"},
		"empty.gguf":       {"", "the file is empty"},
		"short.gguf":       {"GGUF\x03\x00\x00\x00", "ends inside of the header"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.data), 0o666); err != nil {
			t.Fatal(err)
		}
		if o := st("inspect", path); o.code != exitFailure || !strings.Contains(o.stderr, tt.want) || !strings.Contains(o.stderr, name) {
			t.Errorf("%s: %+v, want %q", name, o, tt.want)
		}
	}
	if o := st("inspect", dir); o.code != exitFailure || !strings.Contains(o.stderr, "no weights here") {
		t.Errorf("an empty directory: %+v", o)
	}
	write := filepath.Join(dir, "config.json")
	if err := os.WriteFile(write, []byte("{\"architectures\": [\n  \"LlamaForCausalLM\"\n], \"hidden_size\": 4096}"), 0o666); err != nil {
		t.Fatal(err)
	}
	shard, err := os.ReadFile(filepath.Join(checkpoint, "model-00002-of-00002.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), shard, 0o666); err != nil {
		t.Fatal(err)
	}
	if text := must(t, "inspect", dir); !strings.Contains(text, "hidden_size") || !strings.Contains(text, `["LlamaForCausalLM"]`) || !strings.Contains(text, "st convert does not take it") {
		t.Error(text)
	}
}

// A config.json that cannot be read hides nothing of the weights.
func TestInspectConfigUnread(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "config.json: the file is empty",
		"{\"caf\xe9\": 1}":             "config.json: it is not a text: it holds bytes that are not UTF-8",
		"<html>":                       "config.json: a web page, not the file itself",
		"{\"hidden_size\": 4096, oops": "config.json: it is not valid JSON",
	} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := os.CopyFS(dir, os.DirFS(checkpoint)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if got := must(t, "inspect", dir); !strings.Contains(got, "\nst convert does not take it: "+want) || !strings.Contains(got, "parameters") {
			t.Errorf("%q: no %q in %s", text, want, got)
		}
	}
}

// TestInspectNear: what is near a checkpoint is taken for it, or told for what it is, as convert does.
func TestInspectNear(t *testing.T) {
	dir := t.TempDir()
	write := writerIn(t, dir)
	copyTo := func(elem ...string) string {
		t.Helper()
		path := filepath.Join(append([]string{dir}, elem...)...)
		if err := os.CopyFS(path, os.DirFS(checkpoint)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	snapshot := copyTo("hub", "models--a--b", "snapshots", "0123456789abcdef0123456789abcdef01234567")
	write("x", "tensorflow", "tf_model.h5")
	write("x", "gguf", "m.gguf")
	write("x", "half", "model.safetensors.part")
	copyTo("pointer")
	write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 817\n", "pointer", "config.json")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, want string // want is part of a note if the checkpoint is read
		code       int
	}{
		{"hub", "holds one checkpoint, " + snapshot, exitOK},
		{"hub/models--a--b", "holds one checkpoint, " + snapshot, exitOK},
		{"hub/models--a--b/snapshots", "holds one checkpoint, " + snapshot, exitOK},
		{"hub/models--a--b/snapshots/" + filepath.Base(snapshot) + "/config.json", "config.json is a file of the checkpoint", exitOK},
		{"hub/models--a--b/snapshots/" + filepath.Base(snapshot) + "/tokenizer.json", "tokenizer.json is a file of the checkpoint", exitOK},
		{"empty", "the directory is empty", exitFailure},
		{"tensorflow", "tf_model.h5 is weights of TensorFlow", exitFailure},
		{"gguf", "m.gguf is a GGUF file, which can be given itself", exitFailure},
		{"half", "model.safetensors.part is a download that is not complete", exitFailure},
		{"half/model.safetensors.part", "a download that is not complete", exitFailure},
		{"pointer", "config.json: a Git LFS pointer, not the file itself, which has 817 bytes: `git lfs pull`", exitFailure},
	} {
		o := st("inspect", filepath.Join(dir, filepath.FromSlash(tt.path)))
		if o.code != tt.code || !strings.Contains(o.stderr, tt.want) || strings.Count(o.stderr, "\n") != 1 || (o.stdout != "") != (tt.code == exitOK) {
			t.Errorf("%s: %+v, want %q", tt.path, o, tt.want)
		}
	}
}
