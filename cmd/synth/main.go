package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options are the flags that are no dimension.
type options struct {
	out, shape, tokenizer string
	model, text           string // to fit a predictor
	seed                  uint64
	shardSize             int64
	targets
	calibrate, force, jsonOut bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "synth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var c config
	var o options
	fs := flag.NewFlagSet("synth", flag.ContinueOnError)
	fs.StringVar(&o.out, "o", "", "output directory")
	fs.StringVar(&c.arch, "arch", "", "smallthinker, qwen3moe, qwen3, gemma3 or gemma3n (default: that of -shape)")
	fs.StringVar(&o.shape, "shape", "", strings.Join(shapes(), ", ")+"; the flags of single dimensions override it (default: 4b, or the first of -arch)")
	fs.StringVar(&o.tokenizer, "tokenizer", "", "directory of tokenizer files to copy (default: from the module's testdata)")
	fs.Uint64Var(&o.seed, "seed", 1, "seed of all randomness")
	fs.Int64Var(&o.shardSize, "shard-size", 4e9, "bytes of tensors per file, at most")
	fs.Float64Var(&o.density, "density", 0.35, "mean share of active neurons in routed experts")
	fs.Float64Var(&o.coverage, "coverage", 0.67, "share of the uses covered by the most popular quarter of the experts")
	fs.Float64Var(&o.locality, "locality", 0.8, "size of attention's output: the larger, the more experts are reused by the next token")
	fs.BoolVar(&o.calibrate, "calibrate", true, "fit the statistics; false writes plain random weights, fast")
	fs.BoolVar(&o.force, "force", false, "replace an existing output directory, or with -fit-predictor the file in it")
	fs.BoolVar(&o.jsonOut, "json", false, "print the statistics as JSON")
	fs.StringVar(&o.model, "fit-predictor", "", "write nothing but "+predictorFile+" to the directory -o: the predictor of this model's head, fitted on -text")
	fs.StringVar(&o.text, "text", "", "text for -fit-predictor")
	c.register(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if o.model != "" {
		if err := o.checkFit(fs, set); err != nil {
			return err
		}
		return fitModel(ctx, o.model, o.text, o.out, c.predictorRank)
	}
	dt := dtypes[c.DType]
	if err := c.complete(o.shape, set); err != nil {
		return err
	}
	for _, name := range []string{"density", "rope-layout", "window-layout", "window", "softmax"} {
		if set[name] && (c.qwen() || c.gemma() && name != "window") {
			return fmt.Errorf("-%s is for smallthinker only", name)
		}
	}
	if c.gemma() {
		o.calibrate = false
	}
	if c.headPredictor && (c.arch != smallThinker || !o.calibrate) {
		return errors.New("-head-predictor is for smallthinker, with -calibrate")
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err := o.check(); err != nil {
		return err
	}
	stats, err := write(ctx, c, o, dt)
	if err != nil || !o.calibrate {
		return err
	}
	return report(stdout, stats, o.jsonOut)
}

// check checks what the statistics are fitted to, and that the output may be written.
func (o *options) check() error {
	switch {
	case o.out == "":
		return errors.New("-o is required")
	case o.density <= 0 || o.density >= 0.9:
		return fmt.Errorf("-density must lie between 0 and 0.9, not %g", o.density)
	case o.coverage <= 0 || o.coverage >= 1:
		return fmt.Errorf("-coverage must lie between 0 and 1, not %g", o.coverage)
	case o.locality <= 0:
		return fmt.Errorf("-locality must be positive, not %g", o.locality)
	case !o.force && exists(o.out):
		return fmt.Errorf("%s exists; -force replaces it", o.out)
	case exists(o.out) && !exists(filepath.Join(o.out, "config.json")):
		return fmt.Errorf("%s is no checkpoint, not replaced", o.out)
	}
	return nil
}

// checkFit checks the command line of -fit-predictor: nothing that would be ignored, and no file that is there already.
func (o *options) checkFit(fs *flag.FlagSet, set map[string]bool) error {
	for name := range set {
		if !slices.Contains([]string{"fit-predictor", "text", "o", "predictor-rank", "force"}, name) {
			return fmt.Errorf("-%s has no effect with -fit-predictor", name)
		}
	}
	switch path := filepath.Join(o.out, predictorFile); {
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.text == "" || o.out == "":
		return errors.New("-fit-predictor needs -text and -o")
	case !exists(o.out):
		return fmt.Errorf("%s does not exist", o.out)
	case !o.force && exists(path):
		return fmt.Errorf("%s exists; -force replaces it", path)
	}
	return nil
}

// write makes the checkpoint in a directory beside the output's, then renames it.
func write(ctx context.Context, c config, o options, dt dtype) ([]layerStats, error) {
	tmp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(o.out)), filepath.Base(o.out)+".tmp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := writeSettings(tmp, c, o.tokenizer); err != nil {
		return nil, err
	}
	ck, err := createCheckpoint(tmp, c.tensors(), dt, o.shardSize)
	if err != nil {
		return nil, err
	}
	stats, err := fill(ctx, newBuilder(c, o.seed, o.targets, ck), o.calibrate)
	if err := errors.Join(err, ck.close()); err != nil {
		return nil, err
	}
	if o.force {
		if err := os.RemoveAll(o.out); err != nil {
			return nil, err
		}
	}
	return stats, errors.Join(os.Chmod(tmp, 0o755), os.Rename(tmp, o.out))
}

// writeSettings writes the tokenizer and the configuration, which names its special tokens.
func writeSettings(dir string, c config, tokenizer string) (err error) {
	if tokenizer == "" {
		if tokenizer, err = tokenizerDir(c.Vocab); err != nil {
			return err
		}
	}
	if err := copyTokenizer(dir, tokenizer, &c); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "config.json"), c.settings()); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "generation_config.json"), map[string]any{"bos_token_id": c.BOS,
		"eos_token_id": c.EOS, "do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.95})
}

// fill writes the tensors, with progress on stderr.
func fill(ctx context.Context, b *builder, calibrate bool) (stats []layerStats, err error) {
	start := time.Now()
	progress := func(what string) {
		n, t := float64(b.out.written.Load()), time.Since(start).Seconds()
		fmt.Fprintf(os.Stderr, "%s: %.2f of %.2f GB, %.0f s, %.0f MB/s\n", what, n/1e9, float64(b.out.total)/1e9, t, n/1e6/t)
	}
	if calibrate {
		stats, err = b.calibrated(ctx, func(l int) { progress(fmt.Sprintf("layer %d of %d", l+1, b.Layers)) })
	} else {
		err = b.uncalibrated(ctx)
	}
	if err == nil {
		progress("done")
	}
	return stats, err
}
