package main

import (
	"strings"

	"github.com/spf13/pflag"

	"st/convert"
	"st/convert/calibration"
	"st/quant"
	"st/runtime/selfcal"
)

// recipeFlags choose the types of a file's tensors, and how they are found.
type recipeFlags struct {
	preset                          string
	typ                             quant.Type
	attention, experts, embed, head quant.Type
	down                            quant.Type
	encoder                         convert.Encoder
	calibration                     string // file
	memory                          int64  // for a model that calibrates itself
	noPredictor                     bool
}

// selfCalibrated reports whether the model is to write the text that it is calibrated with.
func (f *recipeFlags) selfCalibrated() bool { return f.encoder == convert.GPTQ && f.calibration == "" }

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
	flags.Var(fileFlag{&f.calibration}, "calibration", "`file` of st calibrate, for search and gptq; without one gptq has the model write a text")
	flags.BoolVar(&f.noPredictor, "no-head-predictor", false, "leave out the predictor of the language-model head, which --sparse-head of other commands needs")
	f.memory = selfcal.DefaultMemory
	flags.Var(sizeFlag{&f.memory}, "memory", "`SIZE` of memory for everything, for gptq that has the model write a text")
}

type classFlag struct {
	flag, of string
	value    *quant.Type
	in       func(*convert.Recipe) **quant.Type
}

func (f *recipeFlags) classes() []classFlag {
	return []classFlag{
		{"attn", "attention's matrices", &f.attention, func(r *convert.Recipe) **quant.Type { return &r.Attention }},
		{"experts", "the experts' matrices", &f.experts, func(r *convert.Recipe) **quant.Type { return &r.Experts }},
		{"down", "the down matrices, of experts and others", &f.down, func(r *convert.Recipe) **quant.Type { return &r.Down }},
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
	opts.Keep = f.preset == "" && !flags.Changed("type") && f.encoder != convert.GPTQ // which is for q4_0
	for _, c := range f.classes() {
		if flags.Changed(c.flag) {
			*c.in(&opts.Recipe) = c.value
		}
	}
	opts.Encoder, opts.NoHeadPredictor = f.encoder, f.noPredictor
	switch {
	case flags.Changed("memory") && !f.selfCalibrated():
		return usagef("--memory is for --encoder gptq without --calibration, which runs the model")
	case f.calibration == "":
		return nil
	case f.encoder == convert.RTN:
		return usagef("--calibration is for --encoder search and gptq: rtn weighs nothing")
	}
	var err error
	opts.Calibration, err = calibration.Open(f.calibration)
	return err
}
