package main

import (
	"strings"

	"github.com/spf13/pflag"

	"st/convert"
	"st/convert/calibration"
	"st/quant"
)

// recipeFlags choose the types of a file's tensors, and how they are found.
type recipeFlags struct {
	preset                          string
	typ                             quant.Type
	attention, experts, embed, head quant.Type
	encoder                         convert.Encoder
	calibration                     string // file
}

func (f *recipeFlags) add(flags *pflag.FlagSet) {
	f.typ, f.encoder = quant.Q4_0, convert.Search
	typeFlag := func(t *quant.Type, name, usage string) {
		flags.Var(parsedFlag[quant.Type]{t, quant.ParseType}, name, usage)
	}
	typeFlag(&f.typ, "type", "`type` of the weight matrices: q4_0, q8_0, f16, bf16 or f32")
	for _, c := range f.classes() {
		typeFlag(c.value, c.flag, "`type` of "+c.of)
		flags.Lookup(c.flag).DefValue = "" // depends on --type
	}
	flags.StringVar(&f.preset, "preset", "", "`name` of a recipe of types: "+strings.Join(convert.PresetNames(), ", "))
	flags.Var(parsedFlag[convert.Encoder]{&f.encoder, convert.ParseEncoder}, "encoder", "`name` of the way to q4_0: rtn, search or gptq")
	flags.Var(fileFlag{&f.calibration}, "calibration", "`file` of st calibrate, for search and gptq")
}

// recipeHelp explains the flags to users of st convert and st quantize.
const recipeHelp = `--type is the type of the weight matrices; norms and routers are always f32. --attn, --experts, --embed and --lm-head are the types
of some of them: attention's, the experts', the table that token embeddings are looked up in, and the language-model head. A
token reads one row of the table, so by default it is one step better than the type: q8_0 with q4_0, and f16 with q8_0. If a
model's embeddings are tied to its head and the two types differ, both are stored. Rows that a block type (q4_0, q8_0) cannot
hold, because their length is no multiple of 32, are stored as f16.

--encoder is the way to q4_0:
  rtn      rounds to nearest, as ggml and llama.cpp do: 3.5 GB/s and core
  search   looks for the scale of each block that loses least (the default)
  gptq     makes up for each weight's error with the weights after it, so that the products with typical inputs are right; it needs
           --calibration with covariances, and takes minutes
--calibration is a file that st calibrate wrote: what the model's inputs are like on some text.

--preset names a recipe of types. Bytes are the 4B model's; the KL divergence from f32 is the mean on the small model of st demo and
a text that it was not trained on, with --encoder search (docs/quantization.md tells how it was measured):
  smallest   q4_0 throughout                                      2.28 GB   KL divergence 0.0192
  fast       q4_0, the embedding table q8_0: as without a preset  2.53 GB   0.0082
  balanced   as fast, the head q8_0 too                           2.40 GB   0.0047
  fine       as balanced, attention q8_0 too                      2.48 GB   0.0038
  precise    q8_0, the embedding table f16                        4.76 GB   0.0003
Where embeddings are tied to the head, a table and a head of one type are stored once. A token reads all of the head.`

type classFlag struct {
	flag, of string
	value    *quant.Type
	in       func(*convert.Recipe) **quant.Type
}

func (f *recipeFlags) classes() []classFlag {
	return []classFlag{
		{"attn", "attention's matrices", &f.attention, func(r *convert.Recipe) **quant.Type { return &r.Attention }},
		{"experts", "the experts' matrices", &f.experts, func(r *convert.Recipe) **quant.Type { return &r.Experts }},
		{"embed", "the table that token embeddings are looked up in", &f.embed, func(r *convert.Recipe) **quant.Type { return &r.Embed }},
		{"lm-head", "the language-model head", &f.head, func(r *convert.Recipe) **quant.Type { return &r.Head }},
	}
}

// set fills in what the flags say.
func (f *recipeFlags) set(opts *convert.Options, flags *pflag.FlagSet) error {
	opts.Recipe = convert.Recipe{Type: f.typ}
	if f.preset != "" {
		var ok bool
		if opts.Recipe, ok = convert.Preset(f.preset); !ok {
			return usagef("--preset %s is unknown: choose one of %s", f.preset, strings.Join(convert.PresetNames(), ", "))
		}
		if flags.Changed("type") {
			return usagef("--preset and --type exclude each other: a preset names all types")
		}
	}
	for _, c := range f.classes() {
		if flags.Changed(c.flag) {
			*c.in(&opts.Recipe) = c.value
		}
	}
	opts.Encoder = f.encoder
	switch {
	case f.calibration == "" && f.encoder == convert.GPTQ:
		return usagef("--encoder gptq needs --calibration FILE: make one with st calibrate --covariance")
	case f.calibration == "":
		return nil
	case f.encoder == convert.RTN:
		return usagef("--calibration is for --encoder search and gptq: rtn weighs nothing")
	}
	var err error
	opts.Calibration, err = calibration.Open(f.calibration)
	return err
}
