package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/pflag"

	"st/runtime"
)

// samplingFlags say how tokens are drawn. Those that are not given are as the model's file says.
type samplingFlags struct {
	given                                  *pflag.FlagSet
	temperature, topP, minP, repeatPenalty float64
	topK                                   int
	seed                                   uint64
}

func (f *samplingFlags) add(flags *pflag.FlagSet) {
	o := runtime.DefaultSampling()
	f.given, f.topK = flags, o.TopK
	for _, x := range []struct {
		name           string
		value          *float64
		standard, most float64
		usage          string
	}{
		{"temp", &f.temperature, o.Temperature, math.MaxFloat32, "temperature; 0: always the likeliest token"},
		{"top-p", &f.topP, o.TopP, 1, "keep the likeliest tokens that together have probability `F`; 1: off"},
		{"min-p", &f.minP, o.MinP, 1, "keep tokens with at least `F` times the probability of the likeliest; 0: off"},
	} {
		*x.value = x.standard
		flags.Var(floatFlag{x.value, 0, x.most}, x.name, x.usage)
	}
	f.repeatPenalty = o.RepeatPenalty
	flags.Var(penaltyFlag{floatFlag{&f.repeatPenalty, 0, math.MaxFloat32}}, "repeat-penalty", "weaken tokens among the last 64 by `F`; 1: off")
	flags.Var(intFlag{&f.topK, -1, math.MaxInt32}, "top-k", "keep the `N` likeliest tokens; 0 or -1: off")
	flags.Var(seedFlag{&f.seed}, "seed", "seed `N` of the random numbers; -1: a new one each time")
	flags.Lookup("seed").DefValue = "-1"
}

// set makes the flags that were given options, and chooses a seed if none was.
func (f *samplingFlags) set(g *runtime.Generate) {
	for name, value := range map[string]struct {
		flag   *float64
		option **float64
	}{
		"temp": {&f.temperature, &g.Temperature}, "top-p": {&f.topP, &g.TopP},
		"min-p": {&f.minP, &g.MinP}, "repeat-penalty": {&f.repeatPenalty, &g.RepeatPenalty},
	} {
		if f.given.Changed(name) {
			*value.option = value.flag
		}
	}
	if f.given.Changed("top-k") {
		g.TopK = &f.topK
	}
	if !f.given.Changed("seed") {
		f.seed = runtime.RandomSeed()
	}
	g.Seed = &f.seed
}

// penaltyFlag is a flag that takes a number above 0, by which logits are divided.
type penaltyFlag struct{ floatFlag }

func (f penaltyFlag) Set(s string) error {
	if v, err := strconv.ParseFloat(s, 64); err == nil && !(v > 0) {
		return errors.New("it must be more than 0; 1 is off")
	}
	return f.floatFlag.Set(s)
}

// seedFlag is a flag that takes a seed, or -1 for a random one.
type seedFlag struct{ value *uint64 }

func (f seedFlag) String() string { return strconv.FormatUint(*f.value, 10) }
func (f seedFlag) Type() string   { return "N" }

func (f seedFlag) Set(s string) error {
	if s == "-1" {
		*f.value = runtime.RandomSeed()
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("it must be at most %d", uint64(math.MaxUint64))
	case err != nil:
		return errors.New("it must be a whole number, or -1 for a random one")
	}
	*f.value = n
	return nil
}
