package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"

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
	flags.Var(seedFlag{&o.Seed}, "seed", "seed `N` of the random numbers; -1: a new one each time")
	flags.Lookup("seed").DefValue = "-1"
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
		o.Seed = randomSeed()
	}
	return o
}

// seedFlag is a flag that takes a seed, or -1 for a random one.
type seedFlag struct{ value *uint64 }

func (f seedFlag) String() string { return strconv.FormatUint(*f.value, 10) }
func (f seedFlag) Type() string   { return "N" }

func (f seedFlag) Set(s string) error {
	if s == "-1" {
		*f.value = randomSeed()
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return errors.New("it must be a whole number, or -1 for a random one")
	}
	*f.value = n
	return nil
}

// randomSeed has 53 bits: exact also for readers of JSON that hold numbers in floats.
func randomSeed() uint64 { return rand.Uint64() >> 11 }
