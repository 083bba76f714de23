package main

import (
	"math"
	"math/rand/v2"

	"github.com/spf13/pflag"

	"st/format"
	"st/runtime"
)

// defaultSampling is what llama.cpp samples with, for what neither the flags nor the model say.
var defaultSampling = runtime.SamplerOptions{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}

func addSamplingFlags(flags *pflag.FlagSet, o *runtime.SamplerOptions) {
	*o = defaultSampling
	for _, f := range []struct {
		name  string
		value *float64
		max   float64
		usage string
	}{
		{"temp", &o.Temperature, math.MaxFloat32, "temperature; 0: always the likeliest token"},
		{"top-p", &o.TopP, 1, "keep the likeliest tokens that together have probability `F`; 1: off"},
		{"min-p", &o.MinP, 1, "keep tokens with at least `F` times the probability of the likeliest; 0: off"},
		{"repeat-penalty", &o.RepeatPenalty, math.MaxFloat32, "weaken tokens among the last 64 by `F`; 1: off"},
	} {
		flags.Var(floatFlag{f.value, 0, f.max}, f.name, f.usage)
	}
	flags.Var(intFlag{&o.TopK, 0, math.MaxInt32}, "top-k", "keep the `N` likeliest tokens; 0: off")
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of the random numbers (default random)")
}

// sampling returns what to sample with: flags that were given win, then the model's defaults, then llama.cpp's.
func sampling(flags *pflag.FlagSet, o runtime.SamplerOptions, g *format.Generation) runtime.SamplerOptions {
	if !flags.Changed("temp") {
		if g.DoSample != nil && !*g.DoSample {
			o.Temperature = 0
		} else if g.Temperature != nil {
			o.Temperature = *g.Temperature
		}
	}
	for _, f := range []struct {
		name         string
		value, model *float64
	}{
		{"top-p", &o.TopP, g.TopP},
		{"min-p", &o.MinP, g.MinP},
		{"repeat-penalty", &o.RepeatPenalty, g.RepetitionPenalty},
	} {
		if f.model != nil && !flags.Changed(f.name) {
			*f.value = *f.model
		}
	}
	if g.TopK != nil && !flags.Changed("top-k") {
		o.TopK = *g.TopK
	}
	if !flags.Changed("seed") {
		o.Seed = rand.Uint64() >> 11 // 53 bits: exact also for readers of JSON that hold numbers in floats
	}
	return o
}
