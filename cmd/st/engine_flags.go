package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/pflag"

	"st/format"
	"st/format/outfile"
	"st/runtime"
)

// engineFlags say how a model is run.
type engineFlags struct {
	runtime.Options
	auto   bool                         // the choice of the memory is told
	trace  string                       // file
	times  string                       // file of the timeline
	passes int                          // of the timeline
	force  bool                         // files that are written replace others
	inputs []string                     // files that the command reads, which are never replaced
	record bool                         // which experts are used
	learn  learning                     // from run to run, which experts are used
	window int                          // the longest sequence that is needed; 0: that is not known
	text   int                          // bytes of the text that is run
	other  func(c *format.Config) int64 // memory that the command takes besides the model and the text; nil: none
}

// learning says what a command has to do with the experts that are remembered from run to run.
type learning uint8

const (
	noLearning   learning = iota // what it reports must not depend on earlier runs
	useLearning                  // it runs as others do, and does not change how they run
	fullLearning                 // it adds to them
)

func (f *engineFlags) add(flags *pflag.FlagSet) {
	addKVTypeFlag(flags, &f.KVType)
	addMemoryFlag(flags, &f.Memory, &f.auto)
	addAutoThreadsFlag(flags, &f.Threads)
	addRoutingFlags(flags, &f.ExpertsPerToken, &f.PreferCached)
	flags.BoolVar(&f.record, "record-experts", false, "count in the model's file which experts are used: what --memory keeps first")
	f.passes = 1
	flags.Var(fileFlag{&f.times}, "timeline", "write to `file` what threads and disk do in the last token: trace events for Perfetto and Chrome")
	flags.Var(intFlag{&f.passes, 1, 1000}, "timeline-tokens", "the last `N` tokens in the --timeline")
	flags.Var(fileFlag{&f.trace}, "trace", "write to `file` which experts every token chose, for st inspect --cache-plan")
	flags.BoolVar(&f.force, "force", false, "replace files that exist with what is written")
}

// outputs are how the command's files are written beside a model at path.
func (f *engineFlags) outputs(path string) outfile.Options {
	return outfile.Options{Replace: f.force, Inputs: append([]string{path}, f.inputs...)}
}

// checkName refuses a file that another flag names, if the trace or the timeline has the same name.
func (f *engineFlags) checkName(flag, path string) error {
	switch {
	case sameName(path, f.trace):
		return usagef("%s and --trace name the same file", flag)
	case sameName(path, f.times):
		return usagef("%s and --timeline name the same file", flag)
	}
	return nil
}

// checkForce refuses --force where nothing is written.
func (f *engineFlags) checkForce() error {
	if f.force && f.trace == "" && f.times == "" {
		return usagef("--force is for --trace and --timeline: no other file is refused because it exists")
	}
	return nil
}

func addKVTypeFlag(flags *pflag.FlagSet, t *runtime.KVType) {
	flags.Var(parsedFlag[runtime.KVType]{t, runtime.ParseKVType}, "kv-type", "`type` of the KV cache: f16, f32 or q8_0")
}

func addLookupFlag(flags *pflag.FlagSet, l *runtime.Lookup) {
	flags.Var(parsedFlag[runtime.Lookup]{l, runtime.ParseLookup}, "lookup", "guess up to `N` tokens from what the text says already; auto: where it is faster; off: none")
}

// addRoutingFlags adds the flags that change which experts a token uses.
func addRoutingFlags(flags *pflag.FlagSet, experts *int, prefer *float64) {
	flags.Var(intFlag{experts, 0, math.MaxInt32}, "experts-per-token", "use `K` experts for a token in a layer; 0: as many as the model was trained with")
	flags.Var(floatFlag{prefer, 0, 1}, "prefer-cached", "with --memory, let experts in memory stand in for others that carry up to `S` of a token's weight, 0 to 1")
}

func addSparseHeadFlag(flags *pflag.FlagSet, threshold **float64) {
	flags.Var(thresholdFlag{threshold}, "sparse-head", "compute the rows of the language-model head that the model's predictor gives more than `T` (-2 without T; -inf: all rows)")
	flags.Lookup("sparse-head").NoOptDefVal = strconv.Itoa(runtime.DefaultSparseHead)
}

// thresholdFlag is a flag that takes a number, or −∞.
type thresholdFlag struct{ value **float64 }

func (f thresholdFlag) String() string {
	if f.value == nil || *f.value == nil {
		return ""
	}
	return strconv.FormatFloat(**f.value, 'g', -1, 64)
}

func (f thresholdFlag) Type() string { return "T" }

func (f thresholdFlag) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) {
		return fmt.Errorf("%q is no number", s)
	}
	*f.value = &v
	return nil
}

func addMemoryFlag(flags *pflag.FlagSet, bytes *int64, auto *bool) {
	flags.Var(memoryFlag{bytes, auto}, "memory", "`SIZE` of memory for everything; experts that do not fit are read when needed. auto: what the system allows, and say how much")
}

// memoryFlag is a flag that takes a number of bytes, or auto, which is as if it were not given but for a note.
type memoryFlag struct {
	value *int64
	auto  *bool
}

func (f memoryFlag) String() string { return sizeFlag{f.value}.String() }
func (f memoryFlag) Type() string   { return "SIZE" }

func (f memoryFlag) Set(s string) error {
	if *f.auto = s == "auto"; *f.auto {
		*f.value = 0
		return nil
	}
	err := sizeFlag{f.value}.Set(s)
	if err == errSize {
		err = fmt.Errorf("%w, or auto", errSize)
	}
	return err
}
