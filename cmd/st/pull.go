package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/convert"
	"st/convert/hub"
	"st/convert/pull"
	"st/format"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/models"
)

// pullFlags are the flags of st pull.
type pullFlags struct {
	recipe     recipeFlags
	opts       convert.Options
	name       string
	keep, json bool
}

func (a *app) pullCommand() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:        "pull ORG/NAME[:TYPE][@REV]",
		SuggestFor: []string{"download", "fetch"},
		Short:      "Fetch a model from a Hub, convert it meanwhile, and keep it by name",
		Long:       help("pull"),
		Example: `  st pull Tiiny/SmallThinker-4BA0.6B-Instruct
  st pull Tiiny/SmallThinker-4BA0.6B-Instruct --type q8_0 --name precise
  st pull Tiiny/SmallThinker-4BA0.6B-Instruct-GGUF:Q4_0
  st pull ms://PowerInfer/SmallThinker-21BA3B-Instruct@master
  st pull Tiiny/SmallThinker-4BA0.6B-Instruct --keep --encoder gptq`,
		Args: arguments("ORG/NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ref, err := hub.ParsePage(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			kept, target, err := f.output(ref)
			if err != nil {
				return err
			}
			defer func() { tidy(target, err) }()
			if err := f.recipe.set(&f.opts, cmd.Flags()); err != nil {
				return err
			}
			defer f.opts.Calibration.Close()
			p := pulling{app: a, ref: ref, target: target, recipe: &f.recipe, opts: f.opts, keep: f.keep, json: f.json,
				again: !changesRecipe(cmd.Flags()) && (f.name == "" || ref.Quant == "")} // a name does not tell which GGUF file is there
			if err := p.run(cmd.Context()); err != nil {
				return err
			}
			a.noteKept(kept.String(), target)
			return nil
		},
	}
	f.add(cmd.Flags())
	return cmd
}

func (f *pullFlags) add(flags *pflag.FlagSet) {
	f.opts.Tool = "st " + version()
	f.recipe.add(flags)
	flags.StringVar(&f.name, "name", "", "keep the model under `NAME` in place of that of the repository")
	flags.BoolVar(&f.keep, "keep", false, "download the files into the Hub's cache, too, and convert them from there")
	addThreadsFlag(flags, &f.opts.Threads)
	addForceFlag(flags, &f.opts.Force)
	flags.BoolVar(&f.opts.AllowNonfinite, "allow-nonfinite", false, "go on when weights are NaN or infinite")
	flags.BoolVar(&f.json, "json", false, "print a JSON object a line: progress, and last the result")
}

// output returns the name under which a model is kept, and the file.
func (f *pullFlags) output(ref hub.Ref) (kept models.Name, path string, err error) {
	kept = keptName(ref)
	if f.name != "" {
		if kept, err = models.ParseName(f.name); err != nil {
			return kept, "", usagef("--name: %v", err)
		}
	}
	store, err := models.Open("")
	if err != nil {
		return kept, "", err
	}
	path, err = store.Path(kept)
	if errors.Is(err, models.ErrName) {
		err = usagef("%v; --name keeps the model under another one", err)
	}
	return kept, path, err
}

// pulling makes a file out of a repository.
type pulling struct {
	*app
	ref    hub.Ref
	target string
	recipe *recipeFlags
	opts   convert.Options
	keep   bool
	json   bool
	again  bool // what is there already will do, if the repository has nothing newer
}

func (p *pulling) run(ctx context.Context) error {
	if err := runtime.CheckISA(); err != nil {
		return err
	}
	if p.recipe.selfCalibrated() && p.keep {
		return p.selfCalibrated(ctx)
	}
	view := p.newPullView(p.json)
	result, err := pull.Model(ctx, p.ref, p.target, p.options(view))
	view.finish()
	if errors.Is(err, format.ErrExists) && p.again {
		return p.keptAlready(ctx, err)
	}
	if err != nil {
		return p.explain(ctx, err)
	}
	p.noteConversion(p.target, result.Result)
	if p.json {
		return p.printJSON(newPullReport(p.target, result))
	}
	return nil
}

func (p *pulling) options(view *pullView) pull.Options {
	return pull.Options{Convert: p.opts, Keep: p.keep, Progress: view.update, Note: view.note}
}

// selfCalibrated downloads the checkpoint, which is read more than once, and goes on as st convert does.
func (p *pulling) selfCalibrated(ctx context.Context) error {
	if err := checkOutput(p.target, p.opts.Force); err != nil {
		return err
	}
	view := p.newPullView(p.json)
	src, from, err := pull.Download(ctx, p.ref, p.options(view))
	view.finish()
	if err != nil {
		return p.explain(ctx, err)
	}
	p.opts.Origin = from
	result, stages, err := p.runConversion(ctx, converting, src, p.target, p.recipe, p.opts)
	if err != nil {
		return err
	}
	p.noteConversion(p.target, result)
	if p.json {
		return p.printJSON(newConvertReport(p.target, result, stages))
	}
	return nil
}

// noteBegun tells what an error left of a pull, if it is this run's: what another process writes, or is complete, is not.
func (a *app) noteBegun(target string, err error) {
	if err != nil && pull.Begun(target) && !errors.Is(err, format.ErrExists) && !errors.Is(err, outfile.ErrBusy) {
		a.note("note: what was done is kept in %s: the same command goes on from there", target+pull.Suffix)
	}
}

// explain tells what stays of a run that did not end well.
func (p *pulling) explain(ctx context.Context, err error) error {
	p.noteBegun(p.target, err)
	if errors.Is(err, format.ErrExists) && !errors.Is(err, context.Canceled) {
		if r, e := format.Open(p.target); e == nil {
			defer r.Close()
			if commit := r.Provenance.General["commit"]; commit != "" {
				return fmt.Errorf("%w, made of %s at commit %.12s", err, r.Provenance.General["repository"], commit)
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
